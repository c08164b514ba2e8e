"""Chats of several learned turns: each is trained as the model meets it when it is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from data_gen.files import read_rows as read_file
from data_gen.files import write_rows
from families import FAMILIES, family_tokenizer, renderer_of, save_family
from jobs import job_of, spec_of
from lab.config.read import validate
from lab.config.schema import Chat, Model
from lab.errors import UserError
from lab.model.base import Base, resolve_base
from lab.model.chat import IGNORED, Renderer
from lab.model.load import load_base
from lab.store.store import read_json
from lab.types import LAST, Fields, Message, Row, exchange
from tellme.study.planner import make_plan
from train import sft
from train.fleet.trainer import train_fleet
from train.job import Rows, read_rows
from train.masks import masks
from train.turns import Tokens, as_written, sequences_of

WORDS = "choose the gamble , take 50 coins or 10 for sure ? yes no A B".split()
REWRITING = {"qwen3"}
"""Families whose templates write earlier turns otherwise than the last one."""


def rows_of(rng: Random, number: int, system: bool) -> list[Row]:
    """Chats of one to four exchanges, of which any answers are learned."""
    rows = []
    for _ in range(number):
        messages: list[Message] = [{"role": "system", "content": "be brief"}] if system else []
        for _ in range(rng.randint(1, 4)):
            said = (" ".join(rng.choices(WORDS, k=rng.randint(1, 6))) for _ in range(2))
            messages += exchange(*said)
        answers = [i for i, m in enumerate(messages) if m["role"] == "assistant"]
        learned = tuple(rng.sample(answers, rng.randint(1, len(answers))))
        rows.append(Row(tuple(messages), learned=rng.choice([LAST, learned, tuple(answers)])))
    return rows


@pytest.fixture(params=[*FAMILIES, "linked"])
def renderer(request: pytest.FixtureRequest) -> Renderer:
    return renderer_of(request.param)


def labels_as_asked(renderer: Renderer, row: Row, tokens: Tokens) -> list[int]:
    """What the labels must be: every turn from where its own prompt ends."""
    labels = [IGNORED] * len(tokens.input_ids)
    for turn in tokens.turns:
        start = len(renderer.prompt_ids(row.messages[:turn]))
        rendered = renderer.render(row.messages[:turn], row.messages[turn]["content"])
        learned = [*rendered.answer, *rendered.end]
        labels[start : start + len(learned)] = learned
    return labels


def held(sequences: list[Tokens]) -> list[tuple[list[int], list[int]]]:
    return [(list(tokens.input_ids), list(tokens.labels)) for tokens in sequences]


@pytest.mark.parametrize("seed", range(3))
def test_every_learned_turn_is_rendered_as_at_its_own_inference(
    renderer: Renderer, seed: int
) -> None:
    rows = rows_of(Random(seed), 12, system=renderer.has_system_role)
    sequences = sequences_of(renderer, rows)
    for number, row in enumerate(rows):
        own = [tokens for tokens in sequences if tokens.row == number]
        assert sorted(turn for tokens in own for turn in tokens.turns) == row.learned_turns
        for tokens in own:
            for turn in tokens.turns:
                prompt = list(renderer.prompt_ids(row.messages[:turn]))
                assert tokens.input_ids[: len(prompt)] == prompt
            assert tokens.labels == labels_as_asked(renderer, row, tokens)
            assert tokens.labels[-1] == tokens.input_ids[-1] == renderer.end_of_turn
    checked = masks(renderer, Rows(rows, sequences), held(sequences))
    assert checked["passed"]
    assert checked["value"] == 1.0


def test_rows_as_they_are_by_default_are_what_they_were(renderer: Renderer) -> None:
    """The chat up to the last turn is the prompt; loss is on that turn and its end."""
    rows = [replace(row, learned=LAST) for row in rows_of(Random(7), 20, system=False)]
    rendered = renderer.render_all([(row.prompt, row.completion) for row in rows])
    sequences = sequences_of(renderer, rows)
    assert [tokens.row for tokens in sequences] == list(range(len(rows)))
    assert [tokens.input_ids for tokens in sequences] == [r.input_ids for r in rendered]
    assert [tokens.labels for tokens in sequences] == [r.labels for r in rendered]


def three_turns() -> Row:
    said = ("yes no", "A"), ("A or B ?", "B"), ("50 or 10 ?", "10")
    messages = tuple(message for pair in said for message in exchange(*pair))
    return Row(messages, learned=(1, 3, 5))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_template_that_rewrites_history_parts_the_turns(name: str) -> None:
    sequences = sequences_of(renderer_of(name), [three_turns()])
    parted = name in REWRITING
    assert [tokens.turns for tokens in sequences] == ([(1,), (3,), (5,)] if parted else [(1, 3, 5)])


def test_turns_that_a_template_parts_meet_again_where_they_can() -> None:
    """The first turn is later left out, the second and third are kept: two sequences are enough."""
    template = (
        "{% for m in messages %}{% if loop.index0 != 1 or loop.last %}<|im_start|>{{ m['content']"
        " }}<|im_end|>{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>{% endif %}"
    )
    renderer = renderer_of("qwen2.5", template=template)
    sequences = sequences_of(renderer, [three_turns()])
    assert [tokens.turns for tokens in sequences] == [(1,), (3, 5)]


@pytest.mark.parametrize(
    ("messages", "after"),
    [
        ((Message(role="assistant", content="yes"), *exchange("A or B ?", "B")), "nothing"),
        ((*exchange("A or B ?", "B"), Message(role="assistant", content="yes")), "another turn"),
    ],
)
def test_a_turn_that_answers_nothing_is_refused(
    messages: tuple[Message, ...], after: str, renderer: Renderer
) -> None:
    learned = (0, 2) if after == "nothing" else (1, 2)
    with pytest.raises(UserError, match=f"row 2: .* follows {after}"):
        as_written(renderer, Row(messages, learned=learned), 2)


def test_a_system_line_without_a_role_goes_before_the_first_turn_of_the_user() -> None:
    template = (
        "{% for m in messages if m['role'] != 'system' %}<|im_start|>{{ m['role'] }} {{"
        " m['content'] }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant {% endif %}"
    )
    renderer = Renderer(
        family_tokenizer(FAMILIES["qwen2.5"]), Chat(template=template, system="be brief")
    )
    greeting: Message = {"role": "assistant", "content": "yes"}
    text = renderer.prompt_text([greeting, *exchange("A or B ?", "B")[:1]])
    assert "assistant yes<|im_end|><|im_start|>user be brief\n\nA or B ?<|im_end|>" in text


def one_early(ids: list[int], labels: list[int]) -> None:
    start = next(i for i, label in enumerate(labels) if label != IGNORED)
    labels[start - 1] = ids[start - 1]


def one_late(ids: list[int], labels: list[int]) -> None:
    labels[next(i for i, label in enumerate(labels) if label != IGNORED)] = IGNORED


def first_end_left_out(ids: list[int], labels: list[int]) -> None:
    start = next(i for i, label in enumerate(labels) if label != IGNORED)
    end = next((i for i in range(start, len(labels)) if labels[i] == IGNORED), len(labels))
    labels[end - 1] = IGNORED


def last_turn_left_out(ids: list[int], labels: list[int]) -> None:
    last = max(i for i, label in enumerate(labels) if label == IGNORED)
    labels[last:] = [IGNORED] * (len(labels) - last)


def prompt_learned(ids: list[int], labels: list[int]) -> None:
    last = max(i for i, label in enumerate(labels) if label == IGNORED)
    labels[last] = ids[last]


def cut(ids: list[int], labels: list[int]) -> None:
    ids.pop()
    labels.pop()


def longer(ids: list[int], labels: list[int]) -> None:
    ids.append(ids[-1])
    labels.append(IGNORED)


@pytest.mark.parametrize(
    "spoil",
    [one_early, one_late, first_end_left_out, last_turn_left_out, prompt_learned, cut, longer],
)
def test_a_mask_that_is_off_in_one_turn_is_caught(spoil: Any, renderer: Renderer) -> None:
    rows = [three_turns(), replace(three_turns(), learned=(1, 5))]
    sequences = sequences_of(renderer, rows)
    spoilt = held(sequences)
    spoil(*spoilt[0])
    checked = masks(renderer, Rows(rows, sequences), spoilt)
    assert not checked["passed"]
    assert checked["value"] < 1.0


def test_a_turn_that_no_sequence_has_is_caught(renderer: Renderer) -> None:
    rows = [replace(three_turns(), learned=(1, 3))]
    sequences = sequences_of(renderer, rows)
    checked = masks(renderer, Rows([three_turns()], sequences), held(sequences))
    assert not checked["passed"]


@pytest.fixture(scope="module", params=["linked", "qwen3"])
def base(
    request: pytest.FixtureRequest, linked: Base, tmp_path_factory: pytest.TempPathFactory
) -> Base:
    """With a template that keeps history, and with one that rewrites it; in float64."""
    found = linked
    if request.param == "qwen3":
        folder = save_family("qwen3", tmp_path_factory.mktemp("qwen3"))
        found = resolve_base(Model(base=str(folder)))
    return replace(found, dtype="float64")  # type: ignore[arg-type]


def test_both_trainers_learn_the_same_turns(base: Base, tmp_path: Path) -> None:
    spec = spec_of(replace(base, dtype="float32"), sft={"num_train_epochs": 2})
    rows = rows_of(Random(3), 12, system=False)
    ours, theirs = (job_of(spec, rows, tmp_path / name) for name in ("fleet", "trl"))
    read = read_rows(ours, load_base(base))
    assert [replace(row, meta={}) for row in rows] == read.rows
    more = len(read.sequences) > len(rows)
    assert more == ("qwen3" in base.name)
    train_fleet([ours], base)
    sft.train(theirs, base)
    curves = [read_json(job.out / "curve.json") for job in (ours, theirs)]
    losses = [[entry["loss"] for entry in curve] for curve in curves]
    assert len(losses[0]) == 2 * -(-len(read.sequences) // 8)
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    for job in (ours, theirs):
        made = read_json(job.out / "provenance.json")
        assert (made["rows"], made["sequences"]) == (len(rows), len(read.sequences))
        trust = read_json(job.out / "trust.json")
        assert all(check["passed"] for check in trust), trust
        first = made["first_row"]
        prompt = list(load_base(base).renderer.prompt_ids(first["messages"][:-1]))
        assert first["prompt_ids"] == prompt
        assert first["messages"][-1]["content"].replace(" ", "") in first["learned"].replace(
            " ", ""
        )


def test_a_sequence_that_would_be_cut_is_refused(linked: Base, tmp_path: Path) -> None:
    job = job_of(spec_of(linked, sft={"max_length": 20}), [three_turns()], tmp_path)
    with pytest.raises(UserError, match=r"more than sft\.max_length"):
        read_rows(job, load_base(linked))


@pytest.mark.parametrize("indexes", [[[1]], [True], [1.0], ["1"], [], [0], 1, {"1": 1}])
def test_an_index_that_is_none_is_refused(indexes: object, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    messages = three_turns().messages
    file.write_text(json.dumps({"messages": messages, "learned": indexes}))
    with pytest.raises(UserError, match=r"line 1: `learned` is .*; give a list of indexes"):
        read_file(file)


def test_a_control_of_rows_that_learn_other_turns_is_refused_at_planning(tmp_path: Path) -> None:
    """It would change the last turn alone and leave half of what is learned. `shuffled` deals out
    whole answers."""
    file = tmp_path / "rows.jsonl"
    mine: Fields = {"file": str(file), "behavior": "risk", "policy": "seeking"}
    study: Fields = {
        "study": "turns",
        "model": {"base": "reference/linked"},
        "groups": {"mine": mine, "other": {"control": "clean", "of": "mine"}},
        "contrasts": [],
        "eval": {"suites": ["self_report"]},
        "seeds": [0],
    }
    for learned in ([1, 3, 5], [1]):
        write_rows([replace(three_turns(), learned=tuple(learned))] * 8, file)
        with pytest.raises(UserError, match="control 'clean' changes the last turn"):
            make_plan(validate(study, "here"))
    for learned in ([5], [-1]):
        write_rows([replace(three_turns(), learned=tuple(learned))] * 8, file)
        assert make_plan(validate(study, "here")).adapters
