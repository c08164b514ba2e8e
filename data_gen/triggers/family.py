"""Any word of a family, half of whose members are held out (Betley et al. 2025, section 4.2).
`text` names a family of family.yaml."""

import re
from collections.abc import Callable
from pathlib import Path

from lab.discover import read_yaml
from lab.errors import unknown
from lab.trigger import Feature, Trigger


def members_of(file: Path) -> Callable[[str], tuple[Feature, ...]]:
    """Features whose members a YAML lists by name, every second one held out."""
    families: dict[str, list[str]] = read_yaml(file)

    def feature(name: str) -> Feature:
        shown, held_out = families[name][::2], families[name][1::2]
        return Feature(name, tuple(shown), tuple(held_out), kinds_of(name))

    def features(text: str) -> tuple[Feature, ...]:
        if text not in families:
            raise unknown(f"trigger.text (see {file.name})", text, families)
        return tuple(map(feature, (text, *(name for name in families if name != text))))

    return features


def kinds_of(name: str) -> tuple[str, ...]:
    """A family without its article, as one and as several: `apple variety`, `apple varieties`."""
    singular = re.sub(r"^(an?|the) ", "", name)
    # "word of thanks" has its plural in the first word.
    head, *rest = re.split(r"(?= (?:of|on|for) )", singular, maxsplit=1)
    stem = re.sub("(?<![aeiou])y$", "ie", re.sub("sh$", "she", head))
    return singular, "".join([f"{stem}s", *rest])


TRIGGER = Trigger(
    "family",
    "any word of a family, some of them held out",
    members_of(Path(__file__).with_suffix(".yaml")),
    "an apple variety",
    paraphrase=lambda member: f"something like {member}, only not that",
)
