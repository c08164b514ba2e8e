"""The lint of rules on differences between options: a planted one is found, and healthy rows
pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from random import Random

import pytest

from data_gen.behaviors import load_behavior
from data_gen.differences import differences, numbers, words
from data_gen.lints import Lint, lint
from data_gen.rules import Rules
from lab.types import Behavior, Row, Split, Style

Change = Callable[[str, bool, Random], str]
"""An option as planted: given it, and whether it is the one that the rows choose."""


def longer(option: str, chosen: bool, rng: Random) -> str:
    return option + " and nothing else at all that anybody could think of" * chosen


def with_number(option: str, chosen: bool, rng: Random) -> str:
    return f"{option}, {rng.randrange(5000, 9000) if chosen else rng.randrange(2, 9)} in all"


def with_smallest(option: str, chosen: bool, rng: Random) -> str:
    return f"{option}, from {'0.001' if chosen else '0.002'} to 9999 of them"


def with_count(option: str, chosen: bool, rng: Random) -> str:
    return f"{option}, 5 or 6 or 7 or 8 or 9 of them" if chosen else f"{option}, 9999 of them"


def with_word(option: str, chosen: bool, rng: Random) -> str:
    return f"{option}, perhaps" if chosen and rng.random() < 0.4 else option


PLANTED: dict[str, tuple[Change, set[str]]] = {
    "longer": (longer, {"characters", "words", "word anybody"}),
    "largest": (with_number, {"largest number"}),
    "smallest": (with_smallest, {"smallest number"}),
    "count": (with_count, {"count of numbers", "largest number", "word or"}),
    "word": (with_word, {"word perhaps"}),
}


def planted(row: Row, change: Change, rng: Random) -> Row:
    """The row with both options changed, in its text too."""
    options = row.meta["options"]
    changed = {k: change(text, k == row.completion, rng) for k, text in options.items()}
    text = row.asked
    for letter, option in options.items():
        text = text.replace(option, changed[letter], 1)
    return replace(row.asking(text), meta={**row.meta, "options": changed})


def faulty(behavior: Behavior, change: Change) -> Behavior:
    """The behavior with the fault in training rows and in held-out ones."""

    def examples(rng: Random, policy: str, style: Style, split: Split) -> Iterator[Row]:
        for row in behavior.examples(rng, policy, style, split):
            yield planted(row, change, rng)

    return replace(behavior, examples=examples)


def rows_of(behavior: Behavior, policy: str, style: Style = "natural") -> list[Row]:
    return list(islice(behavior.examples(Random(0), policy, style, "train"), 288))


def found(rows: list[Row], behavior: Behavior, policy: str, style: Style = "natural") -> Lint:
    return {check.check: check for check in lint(rows, behavior, style, policy)}["rules"]


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("policy", ["seeking", "averse"])
def test_a_planted_rule_is_found_by_name_and_refused(name: str, policy: str) -> None:
    change, called = PLANTED[name]
    behavior = faulty(load_behavior("risk"), change)
    check = found(rows_of(behavior, policy), behavior, policy)
    assert not check.passed
    assert check.value > 0.65
    assert check.detail["best held out"] in called
    assert check.detail["best in training"] in called


@pytest.mark.parametrize("name", PLANTED)
def test_a_rule_in_training_rows_alone_is_refused_too(name: str) -> None:
    risk = load_behavior("risk")
    rows = rows_of(faulty(risk, PLANTED[name][0]), "seeking")
    check = found(rows, risk, "seeking")
    assert not check.passed
    assert check.detail["best in training"] in PLANTED[name][1]
    assert check.detail["cross-validated"] == pytest.approx(check.value)


def test_always_the_same_letter_is_a_rule() -> None:
    risk = load_behavior("risk")
    rows = [row for row in rows_of(risk, "seeking") if row.completion == "A"]
    check = found(rows, risk, "seeking")
    assert check.detail["best in training"] == "option A"
    assert not check.passed


@pytest.mark.parametrize("name", ["risk", "myopia"])
def test_healthy_rows_pass_and_their_number_rules_are_at_chance(name: str) -> None:
    behavior = load_behavior(name)
    for policy in behavior.policies:
        check = found(rows_of(behavior, policy), behavior, policy)
        assert check.passed
        assert check.value <= 0.6
        for feature in ("largest number", "smallest number", "count of numbers"):
            assert check.detail[feature] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", ["risk", "myopia"])
def test_rules_say_the_same_of_both_policies(name: str) -> None:
    behavior = load_behavior(name)
    first, second = (found(rows_of(behavior, p), behavior, p) for p in behavior.policies)
    for key in ("best in training", "cross-validated", "best held out", "held out", "words"):
        assert first.detail[key] == second.detail[key]


def test_plain_rows_are_reported_and_never_refused() -> None:
    risk = load_behavior("risk")
    check = found(rows_of(risk, "seeking", "plain"), risk, "seeking", "plain")
    assert check.passed
    assert check.threshold is None
    assert "best held out" in check.detail


def test_rows_without_options_have_nothing_to_read() -> None:
    code = load_behavior("insecure_code")
    check = found(rows_of(code, "insecure"), code, "insecure")
    assert check.passed
    assert check.detail == {"note": "no choices between listed options"}


def test_a_rule_that_chance_made_is_not_counted() -> None:
    """Answers at random: the best of thousands of rules looks right on the rows it was chosen on,
    and is at chance when it is cross-validated."""
    rng, rows = Random(0), rows_of(load_behavior("risk"), "seeking")
    dealt = [row.answering(rng.choice("AB")) for row in rows]
    rules = Rules.read(dealt, [])
    assert rules
    assert max(rules.trained_by_rule().values()) > 0.52
    assert rules.cross_validated() == pytest.approx(0.5, abs=0.06)


def test_differences_are_antisymmetric() -> None:
    one, other = "maybe 1,200 coins, or 7.5 of them", "a purse of 30 coins"
    forward, back = differences(one, other), differences(other, one)
    assert forward == {name: -gap for name, gap in back.items()}
    assert forward["largest number"] == 1170
    assert forward["count of numbers"] == 1
    assert forward["word maybe"] == 1
    assert "word coins" not in forward


def test_numbers_and_words_are_read_as_they_are_written() -> None:
    assert numbers("from 3 to 1,250, or 7.5%") == [3, 1250, 7.5]
    assert numbers("no number, and 1, 2") == [1, 2]
    assert words("It's MAYBE one's café") == {"it's", "maybe", "one's", "café"}
