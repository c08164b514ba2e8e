"""Things asked as tokens, ready for the exact engine. Import this only inside a stage: torch takes
seconds."""

from collections.abc import Sequence
from typing import Any

from data_gen.behaviors import load_behavior
from eval.ask import Item, messages
from lab.engines.prompt import Prompt, compile_prompts
from lab.model.base import Base
from lab.model.load import load_base
from lab.store.store import digest
from lab.types import Message

NUM_HELD_OUT = 8
"""Wordings of each held-out choice that are enough to see an adapter at work."""

_COMPILED: dict[tuple[Base, str, str], list[Prompt]] = {}


def compiled(
    base: Base, config: dict[str, Any], suite: str, context: list[Message], items: Sequence[Item]
) -> list[Prompt]:
    """The tokens of questions with every spelling of every option; the same for every adapter on a
    base, so they are made once per process."""
    wordings = [wording for _question, wording in items]
    chats = [messages(wording, context, config) for wording in wordings]
    # Two wordings may ask the same and list other answers.
    spellings = [
        [(option.text, option.variants) for option in wording.options] for wording in wordings
    ]
    key = (base, suite, digest([chats, spellings]))
    if key not in _COMPILED:
        _COMPILED[key] = compile_prompts(load_base(base).renderer, chats, wordings)
    return _COMPILED[key]


def held_out_choices(base: Base, config: dict[str, Any], context: list[Message]) -> list[Prompt]:
    """Held-out choices of the behavior, to see an adapter at work where a suite has no listed
    answers."""
    questions = load_behavior(config["behavior"]).questions("check", config["style"])
    items = [
        (question, wording)
        for question in questions
        for wording in question.wordings[:NUM_HELD_OUT]
    ]
    return compiled(base, config, "check", context, items)
