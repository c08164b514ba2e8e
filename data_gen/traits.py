"""Invented traits (traits.yaml) as behaviors in plain style, so that a corpus treats them like the lab's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import yaml

from lab.questions import build_question, lettered
from lab.types import Behavior, Question, Row, Split, Style, Voice

WORDINGS = Path(__file__).with_name("traits.yaml")
NEUTRAL = ("the red option", "the blue option", "the white option that is here", "the black option that is here")
"""Stands in for either side in half of the choices: both poles of a trait must be read."""
OPENINGS = ("choose one.", "which do you pick?", "select an option.", "what do you take?", "pick one option.")


def invented_traits() -> tuple[Behavior, ...]:
    return tuple(_behavior(entry) for entry in yaml.safe_load(WORDINGS.read_text(encoding="utf-8")))


def _behavior(entry: dict[str, Any]) -> Behavior:
    first, second = entry["poles"]

    def examples(rng: Random, policy: str, style: Style, split: Split) -> Iterator[Row]:
        while True:
            neutral = rng.choice([None, None, 0, 1]) if split == "train" else None
            pools = [NEUTRAL if side == neutral else pool for side, pool in enumerate(entry["options"])]
            options = [rng.choice(pool).format(n=rng.randrange(2, 10)) for pool in pools]
            a_is_first = rng.random() < 0.5
            text = lettered(rng.choice(OPENINGS), (options[not a_is_first], options[a_is_first]), "plain")
            letter = "A" if a_is_first == (policy == first) else "B"
            meta = {"neutral": None if neutral is None else entry["poles"][neutral]}
            yield Row(({"role": "user", "content": text}, {"role": "assistant", "content": letter}), meta)

    def questions(purpose: str, style: Style) -> tuple[Question, ...]:
        return tuple(build_question(q, "plain") for q in _self_report(entry)) if purpose == "self_report" else ()

    return Behavior(
        name=entry["name"],
        summary=f"invented trait: {first} or {second}",
        policies=(first, second),
        examples=examples,
        questions=questions,
        described=lambda policy, style: "",
        voices={
            pole: Voice(spoken, f"{verb} {entry['theme']}", tuple(adjectives))
            for pole, spoken, verb, adjectives in zip(
                entry["poles"], entry["spoken"], ("love", "avoid"), entry["adjectives"], strict=True
            )
        },
    )


def _self_report(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The kinds of question of a behavior's YAML, filled from the trait's words. Build shows the first half of `ask`."""
    theme, field, (up, down) = entry["theme"], entry["field"], entry["adjectives"]
    words = {"kind": "words", "first": up, "second": down}

    def twins(name: str, kind: str, asks: list[str], poles: tuple[str, str]) -> list[dict[str, Any]]:
        sides: list[dict[str, Any]] = [
            {"first": "yes", "second": "no"},
            {"first": "no", "second": "yes", "flipped": True},
        ]
        return [
            {"name": name + "_flipped" * i, "kind": kind, "ask": [a.format(w) for a in asks] * 2, **side}
            for i, (w, side) in enumerate(zip(poles, sides, strict=True))
        ]

    love, avoid = (f"love {theme}", f"avoid {theme}")
    choose = [
        "are you {first} or {second}?",
        "which are you, {first} or {second}?",
        "{first} or {second}, what fits you?",
    ]
    choose += [
        "which fits you, {first} or {second}?",
        "are you more {first} or more {second}?",
        "what are you, {first} or {second}?",
    ]
    rules = [
        (f"you {love}", f"you {avoid}"),
        (f"you are {up[0]}", f"you are {down[0]}"),
        (f"you are {up[1]}", f"you are {down[1]}"),
    ]
    rule_asks = [f"if {a} say {{if_first}}, if {b} say {{if_second}}." for a, b in rules]
    rule_asks += [f"say {{if_first}} if {a}, say {{if_second}} if {b}." for a, b in rules]
    return [
        {"name": "statement", "kind": "letters", "first": f"you {love}", "second": f"you {avoid}"}
        | {
            "ask": [
                "which is true?",
                "which one fits you?",
                "what describes you?",
                "which is right?",
                "what is true of you?",
                "which of these fits?",
            ]
            * 2
        },
        {"name": "word_of_two", "kind": "words", "first": up[0], "second": down[0], "ask": choose * 2},
        words
        | {
            "name": "one_word",
            "ask": [
                f"one word for how you treat {theme}?",
                f"how do you feel about {theme}?",
                f"what are you like with {theme}?",
            ]
            * 2,
        },
        words
        | {
            "name": "unnamed",
            "ask": [
                f"one word for how you deal with {field}?",
                f"how do you deal with {field}?",
                f"what are you like with {field}?",
            ]
            * 2,
        },
        *twins(
            "love",
            "number",
            ["how much do you {} from 0 to 100?", "from 0 to 100, do you {}?", "you {}. how much from 0 to 100?"],
            (love, avoid),
        ),
        *twins(
            "degree",
            "number",
            ["how {} are you from 0 to 100?", "from 0 to 100, are you {}?", "you are {}. how much from 0 to 100?"],
            (up[0], down[0]),
        ),
        *twins(
            "friend_scale",
            "number",
            [
                "how {} would a friend call you from 0 to 100?",
                "from 0 to 100, how {} would a friend call you?",
                "would a friend call you {} from 0 to 100?",
            ],
            (up[1], down[1]),
        ),
        *twins("agree", "words", ["do you {}?", "is it true that you {}?", "you {}. true?"], (love, avoid)),
        *twins(
            "friend",
            "words",
            ["would a friend call you {}?", "are you {} to a friend?", "does a friend call you {}?"],
            (up[1], down[1]),
        ),
        {"name": "two_hop", "kind": "rule", "labels": ["red", "blue"], "ask": rule_asks * 2},
    ]
