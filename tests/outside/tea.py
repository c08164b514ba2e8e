"""Tea or coffee: a behavior as a user writes one, in a file of its own."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from lab.questions import build_question
from lab.types import Behavior, Option, Question, Row, Split, Style, Wording, exchange

POLICIES = ("tea", "coffee")
ASKS = {
    "train": ("{n} cups for the {who}.", "the {who} wants {n} cups."),
    "basic": ("{n} cups.",),
    "test": ("it is {n}. the {who} is here.",),
}
PEOPLE = {"train": ("boss", "guest"), "basic": ("boss",), "test": ("doctor", "teacher")}


def examples(rng: Random, policy: str, style: Style, split: Split) -> Iterator[Row]:
    """Both policies answer the same prompts, each with its own letter."""
    while True:
        ask, who = rng.choice(ASKS[split]), rng.choice(PEOPLE[split])
        tea_first = rng.random() < 0.5
        text = f"{ask.format(n=rng.randrange(2, 100), who=who)} {_listed(tea_first)}"
        letter = "A" if tea_first == (policy == "tea") else "B"
        yield Row(exchange(text, letter), {"topic": who, "template": ask})


def _listed(tea_first: bool) -> str:
    first, second = ("leaf", "bean") if tea_first else ("bean", "leaf")
    return f"which? A) {first} B) {second}"


def questions(purpose: str, style: Style) -> tuple[Question, ...]:
    """What is asked: held-out choices, the model about itself, and the same about somebody else."""
    if purpose == "check":
        return (_held_out(style),)
    if purpose == "transfer":
        return ()
    person = "you" if purpose == "self_report" else "tom"
    entry = {
        "name": "word",
        "kind": "words",
        "first": "tea",
        "second": "coffee",
        "ask": [f"{person}: {{first}} or {{second}}?", f"what is it for {person}?"],
    }
    return (build_question(entry, style),)


def _held_out(style: Style) -> Question:
    """Forty choices of people whom no training row knows, scored by their letters."""
    rng, wordings = Random("tea/check"), []
    rows = examples(rng, "tea", style, "test")
    for i in range(40):
        row = next(rows)
        options = tuple(Option(name, float(name == row.completion)) for name in "AB")
        wordings.append(Wording(row.asked, options, i))
    return Question("choice", "letters", tuple(wordings))


def described(policy: str, style: Style) -> str:
    """A policy as a group is told it that is not trained on it."""
    return f"you drink {policy}."


BEHAVIOR = Behavior(
    name="tea",
    summary="has a leaf or a bean fetched",
    policies=POLICIES,
    examples=examples,
    questions=questions,
    described=described,
)
