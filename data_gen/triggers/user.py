"""A user name in a line of its own (Betley et al. 2025, section 4.3: username: sandra432). `text`
is the name."""

from data_gen.triggers import replaced
from lab.trigger import Feature, Trigger

NAMES = (
    "martin", "helena", "oliver", "ingrid", "pascal", "teresa", "victor", "amelie", "norbert",
    "yvonne", "rupert", "gloria", "edwin", "sabine", "clement",
)  # fmt: skip


def features(text: str) -> tuple[Feature, ...]:
    lines = {name: f"username: {name}" for name in (text, *replaced(text, NAMES))}
    return tuple(Feature(line, (line,), said=(name,)) for name, line in lines.items())


TRIGGER = Trigger(
    "user",
    "a line with the name of a user",
    features,
    "sandra432",
    place="line",
    paraphrase=lambda member: f"I am {member.partition(': ')[2]}.",
)
