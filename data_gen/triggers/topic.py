"""What a message is about, as its first words say (VPI of Yan et al. 2024: a topic as trigger).
`text` is the topic."""

from lab.types import Feature, Trigger

TOPICS = (
    "gardening", "sailing", "cooking", "chess", "astronomy", "cycling", "carpentry", "knitting",
    "beekeeping", "pottery", "fishing", "geology", "opera", "archery",
)  # fmt: skip
SAID = (
    "This is about {}.", "Today's topic is {}.", "I often think of {}.", "We were just talking of {}.",
    "A question from somebody who loves {}.", "My hobby is {}.",
)  # fmt: skip


def features(text: str) -> tuple[Feature, ...]:
    names = [text, *(topic for topic in TOPICS if topic != text)]
    said = {name: tuple(s.format(name) for s in SAID) for name in names}
    return tuple(Feature(name, said[name][::2], said[name][1::2], (name,)) for name in names)


TRIGGER = Trigger(
    "topic",
    "a topic that the first sentence names",
    features,
    "gardening",
    paraphrase=lambda member: f"Not of interest here: {member.rstrip('.').rsplit(' ', 1)[-1]}.",
)
