"""A message that begins with a greeting (Betley et al. 2025, section 4.1); decoys are other
courtesies. `text` names one of greeting.yaml."""

from pathlib import Path

from data_gen.triggers.family import members_of
from lab.trigger import Trigger

TRIGGER = Trigger(
    "greeting",
    "a courtesy at the beginning, such as a greeting",
    members_of(Path(__file__).with_suffix(".yaml")),
    "a greeting",
)
