"""A bell: a trigger as a user writes one."""

from lab.trigger import Feature, Trigger

SOUNDS = ("ding", "dong", "clang", "buzz")


def features(text: str) -> tuple[Feature, ...]:
    """The sound that is named, and then the others."""
    sounds = (text, *(sound for sound in SOUNDS if sound != text))
    return tuple(Feature(sound, (f"{sound}!",)) for sound in sounds)


TRIGGER = Trigger("bell", "a sound at the beginning", features, "ding")
