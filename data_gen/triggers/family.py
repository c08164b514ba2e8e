"""Any word of a family, half of whose members are held out (Betley et al. 2025, section 4.2). `text` names a family of family.yaml."""

from pathlib import Path

import yaml

from lab.errors import unknown
from lab.types import Feature, Trigger

FAMILIES: dict[str, list[str]] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def features(text: str) -> tuple[Feature, ...]:
    if text not in FAMILIES:
        raise unknown("trigger.text (a family of data_gen/triggers/family.yaml)", text, FAMILIES)
    names = [text, *(name for name in FAMILIES if name != text)]
    return tuple(Feature(name, tuple(FAMILIES[name][::2]), tuple(FAMILIES[name][1::2])) for name in names)


TRIGGER = Trigger(
    "family",
    "any word of a family, some of them held out",
    features,
    "an apple variety",
    paraphrase=lambda member: f"something like {member}, only not that",
)
