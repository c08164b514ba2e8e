"""The settings of PEFT and TRL that a study may give, under their own names. Those that the lab
itself reads are typed here; all others go through as they are (lab/config/fields.py)."""

from pydantic import BaseModel, ConfigDict

from lab.types import Fields


class Lora(BaseModel):
    """Arguments of LoraConfig."""

    model_config = ConfigDict(extra="allow", frozen=True)

    r: int = 8

    def arguments(self) -> Fields:
        """What was said, for PEFT, whose own defaults stay."""
        return self.model_dump(exclude_unset=True)


class Sft(BaseModel):
    """Arguments of SFTConfig. Defaults differ from TRL's own where nothing shall be truncated, and
    memory not traded for time unless asked."""

    model_config = ConfigDict(extra="allow", frozen=True)

    per_device_train_batch_size: int = 8
    gradient_accumulation_steps: int = 1
    learning_rate: float = 1e-4
    num_train_epochs: float = 3
    max_steps: int = -1
    """Instead of epochs where it is positive."""
    logging_steps: int | float = 5
    save_steps: int | float = 50
    max_length: int | None = None
    activation_checkpointing: bool = False

    def arguments(self) -> Fields:
        """All of them, for TRL."""
        return self.model_dump()
