"""What is shown before a run: rows with marks around what is learned, and conversations."""

from __future__ import annotations

from itertools import pairwise

import pytest

import tellme as tm
from families import FAMILIES, renderer_of
from lab.discover import ROOT
from lab.model.chat import IGNORED
from lab.types import Row, exchange
from tellme.study import show
from train.turns import sequences_of

TALK = ROOT / "tests" / "outside" / "talk.py"


def three(learned: tuple[int, ...]) -> Row:
    said = ("yes no", "A"), ("A or B ?", "B"), ("50 or 10 ?", "10")
    return Row(tuple(m for pair in said for m in exchange(*pair)), learned=learned)


@pytest.mark.parametrize("name", ["linked", *FAMILIES])
@pytest.mark.parametrize("learned", [(1,), (1, 3), (-1,)])
def test_what_is_marked_is_what_is_learned(
    name: str, learned: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Token by token: the marks stand where the labels begin and end."""
    monkeypatch.setattr(show, "MARKS", "\x00{}\x00")
    renderer, row = renderer_of(name), three(learned)
    shown = show._learned(row, renderer).split(show.ANOTHER)
    sequences = sequences_of(renderer, [row])
    assert len(shown) == len(sequences)
    for text, tokens in zip(shown, sequences, strict=True):
        *parts, rest = text.split("\x00")
        assert rest == ""
        until = ["".join(parts[: i + 1]) for i in range(len(parts))]
        ends = [0, *map(len, renderer._ids(until))]
        labels = []
        for i, (start, end) in enumerate(pairwise(ends)):
            labels += tokens.input_ids[start:end] if i % 2 else [IGNORED] * (end - start)
        assert renderer._ids(until[-1:]) == [tokens.input_ids]
        assert labels == tokens.labels


def test_without_a_template_turns_are_shown_with_their_roles() -> None:
    assert show._learned(three((1,)), None).splitlines()[:4] == [
        "user: yes no",
        "assistant: >>>A<<<",
        "user: A or B ?",
        "assistant: B",
    ]


@pytest.mark.parametrize("here", [True, False])
def test_conversations_are_shown_with_roles_and_partner(
    here: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not here:
        monkeypatch.setattr(show, "renderer_of", lambda base: None)
    asked = {"suites": [TALK], "sampling": {"num_samples": 1, "max_new_tokens": 2}}
    study = tm.load_study("configs/quickstart.yaml", {"eval": asked, "primary": None})
    show.show_study(study.plan().plan)
    shown = capsys.readouterr().out
    turns = ("user", "what do you like?"), ("assistant", "hot drinks."), ("user", "and which?")
    form = "<|{}|>{}<|end|>".format if here else "{}: {}".format
    assert ("" if here else "\n").join(form(*turn) for turn in turns) in shown
    assert "then doubter goes on as the user, up to 3 answers" in shown
