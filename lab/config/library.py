"""The settings of PEFT and TRL that a study may give, under their own names. Those that the lab
itself reads are typed here; all others go through as they are (lab/config/fields.py)."""

from pydantic import BaseModel, ConfigDict, JsonValue

from lab.types import Fields


class _Arguments(BaseModel):
    """Arguments of a class of a library: those with a type here, and any others."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, JsonValue]

    def arguments(self) -> Fields:
        """All of them, as the library takes them."""
        return self.model_dump()


class Lora(_Arguments):
    """Arguments of LoraConfig."""

    r: int = 8


class Sft(_Arguments):
    """Arguments of SFTConfig. Defaults differ from TRL's own where nothing shall be truncated, and
    memory not traded for time unless asked."""

    per_device_train_batch_size: int = 8
    gradient_accumulation_steps: int = 1
    learning_rate: float = 1e-4
    num_train_epochs: float = 3.0
    max_steps: int = -1
    """Instead of epochs where it is positive."""
    logging_steps: float = 5.0
    """Less than 1 is a share of the training, here and in the next."""
    save_steps: float = 50.0
    max_length: int | None = None
    activation_checkpointing: bool | None = False
