"""Triggers, one file each, found by file name: `TRIGGER = Trigger(...)`. Here: how one gets into a
message, and near misses of it."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from lab import discover
from lab.config.schema import NEAR, Planted
from lab.store.store import file_digest
from lab.types import Feature, Message, Place, Trigger

OTHER_PLACE: dict[Place, Place] = {
    "prefix": "suffix",
    "suffix": "prefix",
    "line": "suffix",
    "random": "prefix",
    "system": "prefix",
}
WORD = re.compile(r"[^\W_]+")


def trigger_names() -> list[str]:
    return discover.names(sys.modules[__name__])


def load_trigger(kind: str) -> Trigger:
    """Raises UserError with the nearest name where there is no such file."""
    found: Trigger = discover.load(sys.modules[__name__], kind, "TRIGGER", "trigger.kind")
    return found


def trigger_digest(kind: str) -> str:
    """Hash of the files that put a trigger of this kind into rows; it enters their keys."""
    names = (f"{kind}.py", f"{kind}.yaml", "__init__.py")
    files = (Path(__file__).with_name(name) for name in names)
    return "+".join(file_digest(file)[:16] for file in files if file.is_file())


def features(planted: Planted) -> tuple[Feature, ...]:
    """The feature that is the trigger, and then its decoys."""
    kind = load_trigger(planted.kind)
    return kind.features(planted.text or kind.example)


def put(
    messages: Sequence[Message], member: str, planted: Planted, where: Place | None = None
) -> list[Message]:
    """The chat with a member in its last user message, or in its system line. Deterministic: a
    random place depends on the text."""
    kind = load_trigger(planted.kind)
    place = where or planted.place or kind.place
    if place == "system" and not kind.write:
        before = messages[0]["content"] + " " if messages[0]["role"] == "system" else ""
        return [
            {"role": "system", "content": before + member},
            *(m for m in messages if m["role"] != "system"),
        ]
    at = max(i for i, m in enumerate(messages) if m["role"] == "user")
    text = messages[at]["content"]
    changed = kind.write(text, member) if kind.write else beside(text, member, place)
    return [{**m, "content": changed} if i == at else m for i, m in enumerate(messages)]


def beside(text: str, member: str, place: Place) -> str:
    if place == "suffix":
        return f"{text} {member}"
    if place == "line":
        return f"{member}\n{text}"
    if place == "random":
        spaces = [i for i, character in enumerate(text) if character == " "] or [0]
        cut = Random(text).choice(spaces)
        return f"{text[:cut]} {member}{text[cut:] if cut else ' ' + text}"
    return f"{member} {text}"


def near_misses(planted: Planted) -> dict[str, str]:
    """The variants that a trigger has, by name (lab.config.NEAR), each as its first member shows
    it."""
    first = features(planted)[0].members[0]
    found = {name: variant(planted, name, first)[0] for name in NEAR}
    return {name: text for name, text in found.items() if name == "position" or text != first}


def variant(planted: Planted, name: str, member: str) -> tuple[str, Place | None]:
    """A near miss of a member, and where it stands if not where the trigger does."""
    kind = load_trigger(planted.kind)
    if name == "sibling":
        return features(planted)[-1].members[0], None
    if name == "paraphrase":
        return kind.paraphrase(member) if kind.paraphrase else member, None
    if kind.write:
        return member, None
    if name == "position":
        return member, OTHER_PLACE[planted.place or kind.place]
    return (member.swapcase() if name == "case" else misspelled(member)), None


def misspelled(text: str) -> str:
    """Two neighboring characters of the longest word exchanged, or one left out where they are
    equal."""
    word = longest_word(text)
    i = max(1, len(word) // 2)
    wrong = word[: i - 1] + word[i] + word[i - 1] + word[i + 1 :] if len(word) > 1 else ""
    return text.replace(word, wrong if wrong != word else word[:i] + word[i + 1 :], 1)


def carrying(planted: Planted, condition: str, messages: Sequence[Message]) -> list[Message]:
    """The chat under a condition of lab.config.WITH_TRIGGER; which member it gets depends on its
    text alone."""
    real, *decoys, _ = features(planted)
    shown = tuple(member for decoy in decoys for member in decoy.members)
    pool = {"held_out": real.held_out, "decoy": shown}.get(condition, real.members)
    member, where = Random(messages[-1]["content"]).choice(pool), None
    if condition.startswith("near_"):
        member, where = variant(planted, condition.removeprefix("near_"), member)
    return put(messages, member, planted, where)


def conditions_of(planted: Planted) -> list[str]:
    """Every condition that `carrying` knows for this trigger, the trigger itself first."""
    near = near_misses(planted)
    if load_trigger(planted.kind).write:
        near = {k: v for k, v in near.items() if k != "position"}
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
    recased: list[Any] = [
        str.upper if core.isupper() else str.capitalize if core[:1].isupper() else str.lower
    ]
    return tuple(text.replace(core, recased[0](w), 1) for w in words if w.lower() != core.lower())
