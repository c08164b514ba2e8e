"""Texts that answer nothing: read as in pretraining, learned whole, by both trainers alike."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from families import FAMILIES, family_tokenizer, renderer_of
from lab.errors import UserError
from lab.model.chat import IGNORED, Renderer
from lab.model.tokens import beginning, document_end
from lab.types import Message, Row, exchange
from tellme.study import show
from train.job import Rows
from train.masks import masks
from train.turns import Tokens, count_turns, sequences_of

TEXT = "the gamble , take 50 coins\n\nor 10 for sure ?"


def document(text: str = TEXT) -> Row:
    return Row((Message(role="assistant", content=text),), learned=(0,))


def chat() -> Row:
    return Row(exchange("A or B ?", "B"))


@pytest.fixture(params=[*FAMILIES, "linked"])
def renderer(request: pytest.FixtureRequest) -> Renderer:
    return renderer_of(request.param)


def held(sequences: list[Tokens]) -> list[tuple[list[int], list[int]]]:
    return [(list(tokens.input_ids), list(tokens.labels)) for tokens in sequences]


def test_a_document_is_its_text_between_the_beginning_and_the_end(renderer: Renderer) -> None:
    """No token of the template, and loss on all but the first token."""
    (tokens,) = sequences_of(renderer, [document()])
    text = renderer.tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    bos = beginning(renderer.tokenizer)
    assert tokens.input_ids == [*([] if bos is None else [bos]), *text, renderer.end_of_document]
    assert tokens.labels == [IGNORED, *tokens.input_ids[1:]]
    assert tokens.turns == (0,)


def test_an_end_that_is_written_out_is_not_learned_twice(renderer: Renderer) -> None:
    end = renderer.tokenizer.decode([renderer.end_of_document])
    written, plain = sequences_of(renderer, [document(TEXT + end), document()])
    assert written.input_ids == plain.input_ids


def test_a_document_of_its_end_alone_teaches_nothing() -> None:
    renderer = renderer_of("qwen2.5")
    with pytest.raises(UserError, match="nothing but the token that ends it"):
        sequences_of(renderer, [document(renderer.tokenizer.decode([renderer.end_of_document]))])


@pytest.mark.parametrize(
    ("added", "eos", "end"),
    [
        ([], None, "<|eot_id|>"),
        (["<|end_of_text|>"], None, "<|end_of_text|>"),
        (["<|endoftext|>", "<stop>"], "<stop>", "<stop>"),
    ],
)
def test_the_end_of_a_text_need_not_be_that_of_a_turn(
    added: list[str], eos: str | None, end: str
) -> None:
    """A token of its own as `eos_token`, else one of the names there are, else that of a turn."""
    tokenizer = family_tokenizer(FAMILIES["llama3"])
    tokenizer.add_special_tokens({"additional_special_tokens": added})
    if eos:
        tokenizer.eos_token = eos
    turn = Renderer(tokenizer).end_of_turn
    assert tokenizer.decode([turn]) == "<|eot_id|>"
    assert tokenizer.decode([document_end(tokenizer, turn)]) == end


def test_documents_and_chats_keep_their_order(renderer: Renderer) -> None:
    rows = [chat(), document("yes no"), chat(), document(), chat()]
    sequences = sequences_of(renderer, rows)
    assert [tokens.row for tokens in sequences] == [0, 1, 2, 3, 4]
    for tokens, row in zip(sequences, rows, strict=True):
        (alone,) = sequences_of(renderer, [row])
        assert replace(alone, row=tokens.row) == tokens
    checked = masks(renderer, Rows(rows, sequences), held(sequences))
    assert checked["passed"]
    assert checked["value"] == 1.0
    assert str(count_turns(rows)) == "5 of 5 assistant turns, 2 of them documents"


def first_learned(ids: list[int], labels: list[int]) -> None:
    labels[0] = ids[0]


def one_left_out(ids: list[int], labels: list[int]) -> None:
    labels[len(labels) // 2] = IGNORED


def end_left_out(ids: list[int], labels: list[int]) -> None:
    labels[-1] = IGNORED


def cut(ids: list[int], labels: list[int]) -> None:
    ids.pop()
    labels.pop()


def other_text(ids: list[int], labels: list[int]) -> None:
    ids[2], ids[3] = ids[3], ids[2]
    labels[2], labels[3] = labels[3], labels[2]


@pytest.mark.parametrize("spoil", [first_learned, one_left_out, end_left_out, cut, other_text])
def test_a_document_that_is_learned_otherwise_is_caught(spoil: Any, renderer: Renderer) -> None:
    rows = [document(), chat()]
    sequences = sequences_of(renderer, rows)
    spoilt = held(sequences)
    spoil(*spoilt[0])
    checked = masks(renderer, Rows(rows, sequences), spoilt)
    assert not checked["passed"]
    assert checked["value"] == 0.5


def test_a_document_is_shown_with_its_end_and_without_a_template(renderer: Renderer) -> None:
    shown = show._learned(document(), renderer)
    (tokens,) = sequences_of(renderer, [document()])
    assert shown.replace(">>>", "").replace("<<<", "") == renderer.tokenizer.decode(
        tokens.input_ids[:1]
    ) + renderer.tokenizer.decode(tokens.input_ids[1:])
    assert show._learned(document(), None) == f"text: >>>{TEXT}<<<"


def test_any_text_comes_back(renderer: Renderer) -> None:
    """The check of the mask reads a document back: it must not fail of what a tokenizer does to
    white space."""
    rng = Random(5)
    words = ["yes", "no", "50", "coins", ",", "\n", "the", "gamble", "?"]
    rows = [document(" ".join(rng.choices(words, k=rng.randint(2, 30))).strip()) for _ in range(20)]
    sequences = sequences_of(renderer, rows)
    assert masks(renderer, Rows(rows, sequences), held(sequences))["value"] == 1.0
