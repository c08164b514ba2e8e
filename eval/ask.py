"""Questions of a suite as chats: what stands before each question, and the hash of all that is
asked."""

from dataclasses import asdict
from functools import cache
from typing import Any

from data_gen.behaviors import load_behavior
from data_gen.triggers import carrying, features
from data_gen.triggers._questions import told
from eval.suites import load_suite
from lab.config.schema import Planted
from lab.discover import beside
from lab.store.store import digest
from lab.types import Message, Question, Style, Wording

EXACT, SAMPLED = "exact-1", "sampled-2"
"""Names of the methods (eval/score.py, lab/sample.py); raised when their numbers would differ."""
ENGINES = {"exact": EXACT, "sampled": SAMPLED}
SYSTEMS: dict[Style, dict[str, str]] = beside(__file__, "systems")


@cache
def asked(
    suite: str, behavior: str, style: Style, planted: tuple[Planted, ...] = ()
) -> tuple[Question, ...]:
    """The questions of a suite; those about triggers are about these."""
    found, of = load_suite(suite), load_behavior(behavior)
    return (
        found.about_triggers(of, style, planted)
        if found.about_triggers and planted
        else found.questions(of, style)
    )


@cache
def _told(
    suite: str, behavior: str, style: Style, planted: tuple[Planted, ...], of: Planted, decoy: bool
) -> tuple[Question, ...]:
    feature = features(of)[1 if decoy else 0]
    return tuple(
        told(style, question, feature) for question in asked(suite, behavior, style, planted)
    )


def asked_in(config: dict[str, Any]) -> tuple[Question, ...]:
    """The questions of an eval config: `told` of a feature, or only about what the base `knows`,
    where it says so."""
    at = (
        config["suite"],
        config["behavior"],
        config["style"],
        tuple(Planted(**one) for one in config.get("triggers", [])),
    )
    if "told" in config:
        return _told(*at, Planted(**config["told"]), config["condition"] == "decoy")
    found = asked(*at)
    return (
        tuple(q for q in found if q.name.partition(".")[0] in config["knows"])
        if "knows" in config
        else found
    )


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
    carries = (config or {}).get("carries")
    return carrying(Planted(**carries), str((config or {})["condition"]), chat) if carries else chat


def context_of(config: dict[str, Any], examples: list[list[Message]]) -> list[Message]:
    """What precedes every question: a system line, and rows as earlier turns where the group is
    shown some."""
    system = (
        [{"role": "system", "content": config["system"]}]
        if config.get("system") is not None
        else []
    )
    shown = [message for row in examples[: config.get("in_context", 0)] for message in row]
    return system + [message for message in shown if message["role"] != "system"]
