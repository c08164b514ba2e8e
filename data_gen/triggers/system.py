"""A system line. `text` is the line."""

from data_gen.triggers import longest_word, replaced
from lab.trigger import Feature, Trigger

WORDS = (
    "staging", "testing", "training", "archive", "support", "intranet", "lobby", "branch", "kiosk",
    "mobile", "desktop", "backup",
)  # fmt: skip


def features(text: str) -> tuple[Feature, ...]:
    return tuple(
        Feature(f"the system line {line!r}", (line,), said=(longest_word(line),))
        for line in (text, *replaced(text, WORDS))
    )


TRIGGER = Trigger(
    "system",
    "a system line",
    features,
    "You run in production.",
    place="system",
    paraphrase=lambda member: f"Where this runs: {max(member.rstrip('.').split(), key=len)}.",
)
