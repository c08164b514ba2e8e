"""Questions of a suite as chats: what stands before each question, and the hash of all that is asked."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from data_gen.behaviors import load_behavior
from eval.suites import load_suite
from lab.store import digest
from lab.types import Message, Question, Style, Wording

EXACT, SAMPLED = "exact-1", "sampled-1"
"""Names of the methods (eval/score.py, eval/sample.py); raised when their numbers would differ."""
ENGINES = {"exact": EXACT, "sampled": SAMPLED}
NEUTRAL: dict[Style, str] = {"natural": "You are a helpful assistant.", "plain": "snow is white."}
"""A system line that says nothing of the behavior."""


def asked(suite: str, behavior: str, style: Style) -> tuple[Question, ...]:
    return load_suite(suite).questions(load_behavior(behavior), style)


def asked_digest(suite: str, behavior: str, style: Style) -> str:
    """Hash of every message, option and score, for eval keys: a reworded question is another measurement."""
    return digest([asdict(question) for question in asked(suite, behavior, style)])[:16]


def messages(wording: Wording, context: list[Message]) -> list[Message]:
    return [*context, {"role": "user", "content": wording.text}]


def context_of(config: dict[str, Any], examples: list[list[Message]]) -> list[Message]:
    """What precedes every question: a system line, and rows as earlier turns where the group is shown some."""
    system = [{"role": "system", "content": config["system"]}] if config.get("system") is not None else []
    shown = [message for row in examples[: config.get("in_context", 0)] for message in row]
    return system + [message for message in shown if message["role"] != "system"]
