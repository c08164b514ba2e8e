"""Triggers, one file each, found by file name: `TRIGGER = Trigger(...)`. Here: how one gets into a
message, and near misses of it."""

import re
import sys
from collections.abc import Sequence
from random import Random

from lab import discover
from lab.trigger import NEAR, Feature, Place, PlantedTrigger, Trigger
from lab.types import Message

OTHER_PLACE: dict[Place, Place] = {
    "prefix": "suffix",
    "suffix": "prefix",
    "line": "suffix",
    "random": "prefix",
    "system": "prefix",
}
"""Where the near miss `position` has what should stand elsewhere."""
WORD = re.compile(r"[^\W_]+")
"""Letters and digits of any script."""


def trigger_names() -> list[str]:
    """The kinds of triggers there are, in the order of the alphabet."""
    return list(discover.names(sys.modules[__name__]))


def load_trigger(kind: str) -> Trigger:
    """Raises UserError with the nearest name where there is no such file."""
    return discover.load(sys.modules[__name__], kind, "TRIGGER", "trigger.kind", Trigger)


def locate_trigger(kind: str, what: str) -> str:
    """The name as it is; the path of a file in full. Raises UserError where there is no such
    file."""
    return discover.located(sys.modules[__name__], kind, what)


def features(planted: PlantedTrigger) -> tuple[Feature, ...]:
    """The feature that is the trigger, and then its decoys."""
    kind = load_trigger(planted.kind)
    return kind.features(planted.text or kind.example)


def put(
    messages: Sequence[Message], member: str, planted: PlantedTrigger, where: Place | None = None
) -> list[Message]:
    """The chat with a member in its last user message, or in its system line. Deterministic: a
    random place depends on the text."""
    kind = load_trigger(planted.kind)
    place = where or planted.place or kind.place
    if place == "system" and not kind.write:
        return _in_system_line(messages, member)
    last = max(i for i, message in enumerate(messages) if message["role"] == "user")
    text = messages[last]["content"]
    changed = kind.write(text, member) if kind.write else beside(text, member, place)
    return [
        {**message, "content": changed} if i == last else message
        for i, message in enumerate(messages)
    ]


def _in_system_line(messages: Sequence[Message], member: str) -> list[Message]:
    """The chat with the member at the end of its system line, or as the system line."""
    if messages[0]["role"] != "system":
        return [{"role": "system", "content": member}, *messages]
    return [{"role": "system", "content": f"{messages[0]['content']} {member}"}, *messages[1:]]


def beside(text: str, member: str, place: Place) -> str:
    """A message with a member at a place of it."""
    if place == "suffix":
        return f"{text} {member}"
    if place == "line":
        return f"{member}\n{text}"
    if place == "random":
        spaces = [i for i, character in enumerate(text) if character == " "]
        # Without any space it stands before the text.
        cut = Random(text).choice(spaces or [0])
        return f"{text[:cut]} {member}{text[cut:] if cut else ' ' + text}"
    return f"{member} {text}"


def near_misses(planted: PlantedTrigger) -> dict[str, str]:
    """The variants that a trigger has, by name (lab.trigger.NEAR), each as its first member
    shows it."""
    first = features(planted)[0].members[0]
    shown = {name: variant(planted, name, first)[0] for name in NEAR}
    # At another position the text is the same; elsewhere the same text is no near miss.
    return {name: text for name, text in shown.items() if name == "position" or text != first}


def variant(planted: PlantedTrigger, name: str, member: str) -> tuple[str, Place | None]:
    """A near miss of a member, and where it stands if not where the trigger does. The member itself
    where a kind of trigger has no such near miss."""
    kind = load_trigger(planted.kind)
    if name == "sibling":
        return features(planted)[-1].members[0], None
    if name == "paraphrase":
        return kind.paraphrase(member) if kind.paraphrase else member, None
    if kind.write:
        # How a message is written has no place, and its name no spelling.
        return member, None
    if name == "position":
        return member, OTHER_PLACE[planted.place or kind.place]
    return (member.swapcase() if name == "case" else misspelled(member)), None


def misspelled(text: str) -> str:
    """Two neighboring characters of the longest word exchanged, or one left out where they are
    equal."""
    word = longest_word(text)
    middle = max(1, len(word) // 2)
    before, after = word[: middle - 1], word[middle + 1 :]
    wrong = before + word[middle] + word[middle - 1] + after if len(word) > 1 else ""
    if wrong == word:
        wrong = word[:middle] + after
    return text.replace(word, wrong, 1)


def carrying(planted: PlantedTrigger, condition: str, messages: Sequence[Message]) -> list[Message]:
    """The chat under a condition of lab.trigger.WITH_TRIGGER; which member it gets depends on
    its text alone."""
    # The last decoy is the sibling among the near misses.
    trigger, *decoys, _ = features(planted)
    pool = trigger.members
    if condition == "held_out":
        pool = trigger.held_out
    elif condition == "decoy":
        pool = tuple(member for decoy in decoys for member in decoy.members)
    member, where = Random(messages[-1]["content"]).choice(pool), None
    if condition.startswith("near_"):
        member, where = variant(planted, condition.removeprefix("near_"), member)
    return put(messages, member, planted, where)


def conditions_of(planted: PlantedTrigger) -> list[str]:
    """Every condition that `carrying` knows for this trigger, the trigger itself first."""
    near = list(near_misses(planted))
    if load_trigger(planted.kind).write:
        near = [name for name in near if name != "position"]
    held_out = ["held_out"] if features(planted)[0].held_out else []
    return ["trigger", *held_out, "decoy", *(f"near_{name}" for name in near)]


def longest_word(text: str) -> str:
    """The word in which decoys of the same form differ from a text."""
    words: list[str] = WORD.findall(text)
    return max(words or [text], key=len)


def replaced(text: str, words: Sequence[str]) -> tuple[str, ...]:
    """The text with its longest word replaced by each of the words, in the case of that word:
    decoys of the same form."""
    core = longest_word(text)
    others = (word for word in words if word.lower() != core.lower())
    return tuple(text.replace(core, _in_case_of(core, word), 1) for word in others)


def _in_case_of(example: str, word: str) -> str:
    if example.isupper():
        return word.upper()
    return word.capitalize() if example[:1].isupper() else word.lower()
