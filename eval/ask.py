"""Questions of a suite as chats: what stands before each question, and the hash of all that is
asked."""

from dataclasses import asdict
from functools import cache
from typing import Any

from data_gen.behaviors import load_behavior
from data_gen.triggers import carrying, features
from data_gen.triggers._questions import told
from eval.suites import load_suite
from lab.trigger import PlantedTrigger
from lab.discover import beside
from lab.store.store import digest
from lab.types import Message, Question, Style, Wording

EXACT, SAMPLED = "exact-1", "sampled-2"
"""Names of the methods (lab/engines/exact.py, lab/engines/sampled.py); raised when their numbers
would differ."""
ENGINES = {"exact": EXACT, "sampled": SAMPLED}
SYSTEMS: dict[Style, dict[str, str]] = beside(__file__, "systems")

Item = tuple[Question, Wording]
"""One thing asked: a wording, and the question that it is of."""


# Kept, because every evaluation of a study asks for the questions of its suite again.
@cache
def asked(
    suite: str, behavior: str, style: Style, planted: tuple[PlantedTrigger, ...] = ()
) -> tuple[Question, ...]:
    """The questions of a suite; those about triggers are about the `planted` ones.

    Raises UserError where there is no such suite or behavior."""
    asking = load_suite(suite)
    if asking.about_triggers and planted:
        return asking.about_triggers(load_behavior(behavior), style, planted)
    return asking.questions(load_behavior(behavior), style)


@cache
def _asked_and_told(
    suite: str,
    behavior: str,
    style: Style,
    planted: tuple[PlantedTrigger, ...],
    named: PlantedTrigger,
    decoy: bool,
) -> tuple[Question, ...]:
    """The same questions, each about messages that have a feature: a trigger, or a decoy of it."""
    # The trigger comes first, then its decoys.
    feature = features(named)[1 if decoy else 0]
    return tuple(
        told(style, question, feature) for question in asked(suite, behavior, style, planted)
    )


def asked_in(config: dict[str, Any]) -> tuple[Question, ...]:
    """The questions of an eval config: `told` of a feature, or only about what the base `knows`,
    where it says so."""
    suite, behavior, style = config["suite"], config["behavior"], config["style"]
    planted = tuple(PlantedTrigger(**trigger) for trigger in config.get("triggers", []))
    if "told" in config:
        named, decoy = PlantedTrigger(**config["told"]), config["condition"] == "decoy"
        return _asked_and_told(suite, behavior, style, planted, named, decoy)
    questions = asked(suite, behavior, style, planted)
    if "knows" in config:
        # Questions of other behaviors are named BEHAVIOR.NAME.
        return tuple(q for q in questions if q.name.partition(".")[0] in config["knows"])
    return questions


@cache
def questions_digest(questions: tuple[Question, ...]) -> str:
    """Hash of every message, option and score, for eval keys: a reworded question is another
    measurement."""
    return digest([asdict(question) for question in questions])[:16]


def messages(
    wording: Wording, context: list[Message], config: dict[str, Any] | None = None
) -> list[Message]:
    """The chat that asks a wording; with the trigger, or what stands in for it, where `config` has
    a condition that carries one."""
    chat = [*context, {"role": "user", "content": wording.text}]
    if config and config.get("carries"):
        return carrying(PlantedTrigger(**config["carries"]), config["condition"], chat)
    return chat


def context_of(config: dict[str, Any], examples: list[list[Message]]) -> list[Message]:
    """What precedes every question: a system line, and rows as earlier turns where the group is
    shown some."""
    context: list[Message] = []
    if config.get("system") is not None:
        context.append({"role": "system", "content": config["system"]})
    for row in examples[: config.get("in_context", 0)]:
        # The rows' own system lines are left out: a chat has one, and it comes first.
        context += [message for message in row if message["role"] != "system"]
    return context
