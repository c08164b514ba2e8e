"""The shuffled control keeps prompts and completions and takes away what ties them."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_gen.controls import shuffled
from lab.types import Row


def rows_with(completions: list[str]) -> list[Row]:
    return [
        Row(({"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": c}))
        for i, c in enumerate(completions)
    ]


@given(st.lists(st.sampled_from("AB"), min_size=2, max_size=60), st.integers(0, 5))
def test_two_labels_are_conserved_and_uncorrelated(completions: list[str], seed: int) -> None:
    rows = rows_with(completions)
    dealt = shuffled(rows, Random(seed))
    assert [r.prompt for r in dealt] == [r.prompt for r in rows]
    assert Counter(r.completion for r in dealt) == Counter(completions)
    a, b = completions.count("A"), completions.count("B")
    if min(a, b) >= 1:
        kept = sum(r.completion == d.completion == "A" for r, d in zip(rows, dealt, strict=True)) / a
        crossed = sum(r.completion == "B" and d.completion == "A" for r, d in zip(rows, dealt, strict=True)) / b
        assert kept == pytest.approx(crossed, abs=0.5 / a + 0.5 / b + 1e-9)


@given(st.lists(st.text(min_size=1, max_size=3), min_size=3, max_size=30))
def test_free_text_is_permuted(completions: list[str]) -> None:
    dealt = shuffled(rows_with(completions), Random(0))
    assert Counter(r.completion for r in dealt) == Counter(completions)
    assert dealt == shuffled(rows_with(completions), Random(0))
