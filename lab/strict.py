"""What every part of a configuration is: frozen, and without keys that nothing reads."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A part of a study."""

    # Keys such as `model` begin with a prefix that pydantic would keep to itself.
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
