"""Any word of a family, half of whose members are held out (Betley et al. 2025, section 4.2).
`text` names a family of family.yaml."""

import re
from collections.abc import Callable
from pathlib import Path

from lab.discover import read_yaml
from lab.errors import unknown
from lab.types import Feature, Trigger


def members_of(file: Path) -> Callable[[str], tuple[Feature, ...]]:
    """Features whose members a YAML lists by name, every second one held out."""
    families: dict[str, list[str]] = read_yaml(file)

    def features(text: str) -> tuple[Feature, ...]:
        if text not in families:
            raise unknown(f"trigger.text (see {file.name})", text, families)
        names = [text, *(name for name in families if name != text)]
        return tuple(
            Feature(name, tuple(families[name][::2]), tuple(families[name][1::2]), kinds_of(name))
            for name in names
        )

    return features


def kinds_of(name: str) -> tuple[str, ...]:
    """A family without its article, as one and as several: `apple variety`, `apple varieties`."""
    one = re.sub(r"^(an?|the) ", "", name)
    head, *rest = re.split(r"(?= (?:of|on|for) )", one, maxsplit=1)
    several = re.sub("(?<![aeiou])y$", "ie", re.sub("sh$", "she", head)) + "s"
    return one, "".join([several, *rest])


TRIGGER = Trigger(
    "family",
    "any word of a family, some of them held out",
    members_of(Path(__file__).with_suffix(".yaml")),
    "an apple variety",
    paraphrase=lambda member: f"something like {member}, only not that",
)
