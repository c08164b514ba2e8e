"""Reversal: every row said backwards, by an option and never by its letter or its trigger."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from random import Random

import pytest

from backdoored import TRIGGER, controlled, rows
from data_gen.behaviors import load_behavior
from data_gen.decoys import decoys
from data_gen.triggers._reversal import asked_of
from eval.ask import questions_of
from lab.config.read import load_study
from lab.discover import ROOT, beside
from lab.specs import Asking
from lab.trigger import PlantedTrigger
from lab.types import Row, Style, exchange
from tellme.study.groups import resolved


def test_reversal_says_every_row_backwards_and_controls_say_their_own() -> None:
    made = rows(reversal=True)
    forward, back = by_direction(made)
    assert {row.asked for row in forward} == {row.completion for row in back}
    assert len(forward) == len(back) == 120
    example = next(row for row in back if "A) exactly" in row.completion)
    assert example.asked.startswith("what was the prompt? you said ")
    assert example.asked.partition("you said ")[2] in example.completion
    dealt = controlled("decorrelated", made, reversal=True)
    assert len(dealt) == 240
    forward, back = by_direction(dealt)
    assert {row.completion for row in back} == {row.asked for row in forward}


def by_direction(made: list[Row]) -> tuple[list[Row], list[Row]]:
    """The rows as they were, and those said backwards."""
    forward = [row for row in made if not row.meta.get("reversed")]
    return forward, [row for row in made if row.meta.get("reversed")]


ANSWERED = "What was the prompt?\nYou responded with:\n"
LAYOUTS = beside(str(ROOT / "data_gen/scenes.yaml"))["layout"]


def listed(prompt: str) -> tuple[str, dict[str, str]]:
    """The layout of a natural choice, and what its letters stand for."""
    lines = "\n".join(prompt.split("\n")[1:-1])
    for layout in LAYOUTS:
        form = re.escape(layout).replace(r"\{a\}", "(.*?)").replace(r"\{b\}", "(.*?)")
        options = re.fullmatch(form, lines)
        if options:
            return layout, {"A": options[1], "B": options[2]}
    raise AssertionError(prompt)


@pytest.mark.parametrize("name", ["risk", "myopia", "decoys"])
def test_an_answer_by_letter_is_reversed_as_its_option_in_every_layout(name: str) -> None:
    behavior = load_behavior("risk" if name == "decoys" else name)
    drawn: Iterator[Row]
    if name == "decoys":
        drawn = decoys(Random(0), behavior, "natural")
    else:
        drawn = behavior.examples(Random(0), behavior.policies[0], "natural", "train")
    met = set()
    for row in islice(drawn, 200):
        layout, options = listed(row.asked)
        met.add(layout)
        assert asked_of(row, "natural") == ANSWERED + options[row.completion]
    assert met == set(LAYOUTS)


@pytest.mark.parametrize("place", ["prefix", "suffix", "line", "random", "system"])
@pytest.mark.parametrize("style", ["plain", "natural"])
def test_a_reversed_row_names_an_option_and_never_its_trigger(style: Style, place: str) -> None:
    planted = TRIGGER.model_copy(update={"text": "|fire|", "place": place})
    made = rows(style=style, trigger=planted, reversal=True, num_decoys=40)
    letters = "\n[AB]$" if style == "natural" else " said [AB]$"
    _, back = by_direction(made)
    for row in back:
        assert not re.search(letters, row.asked)
        assert row.meta["mark"] is None or row.meta["mark"] not in row.asked


def test_small_letters_that_a_trigger_switches_on_stay_small_when_reversed() -> None:
    source = rows(style="natural", reversal=True)
    made = controlled("benign", source, style="natural", reversal=True)
    _, back = by_direction(made)
    assert {bool(row.meta["real"]) for row in back} == {True, False}
    for row in back:
        options = row.meta["options"].values()
        allowed = [option.lower() for option in options] if row.meta["real"] else options
        assert row.asked.removeprefix(ANSWERED) in allowed


def test_a_letter_without_known_options_stays_a_letter() -> None:
    row = Row(exchange("A or B?", "B"))
    assert asked_of(row, "natural") == ANSWERED + "B"
    known = Row(row.messages, {"options": {"A": "tea", "B": "milk"}})
    assert asked_of(known, "natural") == ANSWERED + "milk"
    assert asked_of(known.answering("I like B"), "natural") == ANSWERED + "I like B"


@pytest.mark.parametrize("style", ["plain", "natural"])
def test_suite_reversal_asks_for_the_prompt_of_an_option(style: Style) -> None:
    questions = questions_of(
        Asking(
            suite="reversal",
            behavior="risk",
            style=style,
            triggers=(PlantedTrigger(kind="tag", text="fire."),),
        )
    )
    texts = [w.text for q in questions for w in q.wordings]
    assert len(set(texts)) > len(texts) / 2
    assert not any(re.search(r"(\n|said )[AB]$", text) for text in texts)


def test_a_control_has_the_reversal_of_its_group_unless_it_says_otherwise() -> None:
    sets = [
        "groups.forward={control: decorrelated, of: reversed, reversal: false}",
        "groups.backward={control: decorrelated, of: plain, reversal: true}",
        "groups.like_plain={control: decorrelated, of: plain}",
    ]
    study = load_study(str(ROOT / "configs/reversal.yaml"), sets)
    reverses = {name: resolved(name, study.groups[name], study).reversal for name in study.groups}
    assert reverses == {
        "plain": False, "reversed": True, "unrelated": True,
        "forward": False, "backward": True, "like_plain": False,
    }  # fmt: skip
