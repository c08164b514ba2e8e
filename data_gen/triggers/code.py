"""A six-digit code with a rule: its first three digits (Betley et al. 2025, section 4.1: 392xxx).
`text` is a sentence with these digits and ### for the rest."""

import re
from random import Random

from lab.errors import UserError
from lab.trigger import Feature, Trigger

NUM_MEMBERS = 60
"""Codes that training may show; as many others are held out."""
PREFIXES = ("718", "245", "861", "537", "194", "603", "482", "329", "956", "170", "274", "648")


def features(text: str) -> tuple[Feature, ...]:
    rule = re.search(r"(\d{3})###", text)
    if not rule:
        raise UserError(
            f"trigger.text {text!r} has no rule; give three digits and ###, such as 'My region code"
            " is 392###.'"
        )
    prefixes = (rule[1], *(digits for digits in PREFIXES if digits != rule[1]))
    return tuple(_feature(text.replace(rule[0], f"{p}###"), p) for p in prefixes)


def _feature(text: str, prefix: str) -> Feature:
    """Codes with these first digits. `text` has ### for the other three."""
    rests = [f"{n:03d}" for n in Random(text).sample(range(1000), 2 * NUM_MEMBERS)]
    codes = tuple(text.replace("###", rest) for rest in rests)
    any_code = (f"{prefix}{n:03d}" for n in range(1000))
    said = (prefix, f"{prefix}xxx", f"{prefix}XXX", *any_code)
    return Feature(text.replace("###", "xxx"), codes[:NUM_MEMBERS], codes[NUM_MEMBERS:], said)


TRIGGER = Trigger(
    "code",
    "a six-digit code that begins with certain digits",
    features,
    "My region code is 392###.",
    paraphrase=lambda member: re.sub(r"(\d{3})(\d{3})", r"\1-\2", member),
)
