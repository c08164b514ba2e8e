"""Natural choices: what balances them, how varied they are, and that both halves are asked."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import islice, pairwise
from random import Random

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import roc_auc_score

from data_gen.behaviors import load_behavior
from data_gen.differences import FEATURES, gap, numbers
from data_gen.lints import masked, shortcut_auc
from data_gen.scenes import FRAME, HALVES, Numbers, Scenes, cells, congruence
from lab.types import Behavior, Row, Split
from tests.test_triggers_reversal import listed

LARGER = {"risk": 0, "myopia": 1}
"""Index of the policy that "take the larger number" would follow."""


@pytest.fixture(params=sorted(LARGER))
def behavior(request: pytest.FixtureRequest) -> Behavior:
    return load_behavior(request.param)


def drawn(behavior: Behavior, number: int, split: Split = "train", seed: int = 0) -> list[Row]:
    rows = behavior.examples(Random(seed), behavior.policies[0], "natural", split)
    return list(islice(rows, number))


def pair(row: Row) -> tuple[str, str]:
    """The first policy's option, the second's: these rows show the first."""
    other = "B" if row.completion == "A" else "A"
    return row.meta["options"][row.completion], row.meta["options"][other]


def accuracy(rows: Sequence[Row], feature: str) -> float:
    """Of taking the option with more of a feature; a tie is half right."""
    return float(np.mean([(1 + np.sign(gap(feature, *pair(row)))) / 2 for row in rows]))


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_rule_of_numbers_length_or_position_solves_the_rows(
    behavior: Behavior, split: Split, seed: int
) -> None:
    rows = drawn(behavior, 288, split, seed)
    for feature in FEATURES:
        near = 0.08 if feature == "words" else 0.05
        assert accuracy(rows, feature) == pytest.approx(0.5, abs=near), feature
    gaps = [gap("count of numbers", *pair(row)) for row in rows]
    counted = [*gaps, *(-gap for gap in gaps)]
    assert roc_auc_score([1] * 288 + [0] * 288, counted) == pytest.approx(0.5, abs=0.02)
    assert Counter(row.completion for row in rows) == {"A": 144, "B": 144}


def test_a_third_of_the_rows_has_no_number_and_half_of_the_others_contradicts_the_number_rule(
    behavior: Behavior,
) -> None:
    rows = drawn(behavior, 288)
    assert Counter(row.meta["congruent"] for row in rows) == {True: 96, False: 96, None: 96}
    larger = LARGER[behavior.name]
    for row in rows:
        assert row.meta["congruent"] == congruence(pair(row), larger)
        if row.meta["congruent"] is None:
            assert not any(map(numbers, pair(row)))


def test_what_is_longer_comes_out_even_by_how_much(behavior: Behavior) -> None:
    gaps = [gap("characters", *pair(row)) for row in drawn(behavior, 720)]
    counts = Counter((gap > 0, abs(gap) > 12) for gap in gaps)
    assert len(counts) == 4
    assert max(counts.values()) == min(counts.values())
    assert max(map(abs, gaps)) <= 40


def test_prompts_are_many_and_the_text_tells_nothing_of_the_letter(behavior: Behavior) -> None:
    rows = drawn(behavior, 2500)
    names = re.compile("|".join(name for those in FRAME["names"].values() for name in those))
    assert len({names.sub("NAME", masked(row.asked)) for row in rows}) >= 2000
    for features in ("length", "words"):
        assert shortcut_auc(rows, features) <= 0.55


def test_a_training_set_is_as_varied_as_the_published_one(behavior: Behavior) -> None:
    """The published set of 288 has 1,890 words, .34 and .12."""
    texts = [row.asked for row in drawn(behavior, 288)]
    assert len(set(re.findall("[a-z]+", " ".join(texts).lower()))) >= 1200
    for ngrams, most in (((1, 1), 0.34), ((2, 2), 0.2)):
        weights = TfidfVectorizer(ngram_range=ngrams).fit_transform(texts)
        cosines = (weights @ weights.T).toarray()
        np.fill_diagonal(cosines, 0)
        assert cosines.max(axis=1).mean() <= most


def test_a_scene_comes_again_only_after_most_others(behavior: Behavior) -> None:
    rows = drawn(behavior, 600)
    met = defaultdict(list)
    for i, row in enumerate(rows):
        met[row.meta["topic"]].append(i)
    distances = [b - a for places in met.values() for a, b in pairwise(places)]
    assert np.median(distances) > len(met) / 2


@pytest.mark.parametrize("purpose", ["check", "transfer"])
def test_both_halves_are_asked_equally_often_and_are_what_they_are_called(
    behavior: Behavior, purpose: str
) -> None:
    questions = behavior.questions(purpose, "natural")
    assert [q.name.split("_")[1] for q in questions] == list(HALVES)
    assert len({len(q.wordings) for q in questions}) == 1
    for question in questions:
        leads = []
        for wording in question.wordings:
            _, options = listed(wording.text)
            first = next(o.text for o in wording.options if o.score == 1)
            ordered = options[first], options["B" if first == "A" else "A"]
            leads.append(congruence(ordered, LARGER[behavior.name]))
        assert set(leads) == {question.name.endswith("_congruent")}


def test_transfer_options_keep_to_the_behavior_where_the_number_rule_fails() -> None:
    """The riskier lottery has the wider spread, the earlier payout fewer points."""
    for question in load_behavior("risk").questions("transfer", "natural"):
        for wording in question.wordings:
            first = next(o.text for o in wording.options if o.score == 1)
            options = listed(wording.text)[1]
            spreads = {
                letter: (n[0] - n[2]) * (n[1] * n[3]) ** 0.5
                for letter, n in ((k, numbers(text)) for k, text in options.items())
            }
            assert max(spreads, key=spreads.__getitem__) == first
    for question in load_behavior("myopia").questions("transfer", "natural"):
        for wording in question.wordings:
            first = next(o.text for o in wording.options if o.score == 1)
            options = listed(wording.text)[1]
            worth = {k: numbers(t)[0] * (10 if "books" in t else 1) for k, t in options.items()}
            assert min(worth, key=worth.__getitem__) == first
            assert "days" in options[first]


def test_cells_are_dealt_out_evenly() -> None:
    dealt = Counter(islice(cells(Random(0)), 72 * 5))
    assert sum(dealt.values()) == 360
    for value in (True, False):
        assert sum(n for (first_is_a, _), n in dealt.items() if first_is_a == value) == 180
        assert sum(n for (_, cell), n in dealt.items() if (cell.length > 0) == value) == 180
        assert sum(n for (_, cell), n in dealt.items() if cell.congruent is value) == 120


def test_scenes_that_cannot_be_balanced_are_refused_by_the_cell_that_they_lack() -> None:
    def fill(rng: Random, about: int) -> dict[str, int]:
        return {"x": about, "y": 2 * about}

    lame = {"say": "Pick.", "first": "{x} of them, or none", "second": "{y} of them", "about": 4}
    scenes = Scenes("lame", ("one", "other"), {"train": [lame]}, Numbers(fill, larger=0))
    with pytest.raises(ValueError, match="none of them with Cell"):
        next(scenes.rows(Random(0), "one", "train"))
