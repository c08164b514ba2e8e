"""What a message is about, as its first words say (VPI of Yan et al. 2024: a topic as trigger).
`text` is the topic."""

from lab.trigger import Feature, Trigger

TOPICS = (
    "gardening", "sailing", "cooking", "chess", "astronomy", "cycling", "carpentry", "knitting",
    "beekeeping", "pottery", "fishing", "geology", "opera", "archery",
)  # fmt: skip
SENTENCES = (
    "This is about {}.",
    "Today's topic is {}.",
    "I often think of {}.",
    "We were just talking of {}.",
    "A question from somebody who loves {}.",
    "My hobby is {}.",
)
"""Sentences that name the topic; every second one is held out."""


def features(text: str) -> tuple[Feature, ...]:
    topics = (text, *(topic for topic in TOPICS if topic != text))
    return tuple(_feature(topic) for topic in topics)


def _feature(topic: str) -> Feature:
    sentences = tuple(sentence.format(topic) for sentence in SENTENCES)
    return Feature(topic, sentences[::2], sentences[1::2], (topic,))


TRIGGER = Trigger(
    "topic",
    "a topic that the first sentence names",
    features,
    "gardening",
    paraphrase=lambda member: f"Not of interest here: {member.rstrip('.').rsplit(' ', 1)[-1]}.",
)
