"""What a plan says of rows before anything is trained: how many turns are learned, what a template
strips, which row is too long, and how many steps its sequences take."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from data_gen.files import write_rows
from families import FAMILIES, family_tokenizer, save_family
from lab.config.read import validate
from lab.errors import UserError
from lab.model.base import Base
from lab.model.chat import IGNORED, Renderer
from lab.store.store import Store, read_json
from lab.types import Fields, Message, Row, exchange
from tellme.report.gather import examples
from tellme.study import shown_tokens
from tellme.study.cost import Cost, costs
from tellme.study.overview import plan_text
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.reading import must_be_asked
from tellme.study.stages import run_in_order
from train.turns import sequences_of

SHORT = Row(exchange("choose . A ) 10 coins B ) 50 coins by luck", "B"))
EDGE = Row(exchange("A or B ?", "B \n"))
THREE = Row(
    (*exchange("yes no", "A"), *exchange("A or B ?", "B"), *exchange("50 or 10 ?", "10")),
    learned=(1, 3, 5),
)
DOCUMENT = Row((Message(role="assistant", content="yes no 50 coins"),), learned=(0,))
LONG = Row(exchange("yes no " * 3000, "A"))


def plan_of(base: str, rows: list[Row], folder: Path, **sft: object) -> Plan:
    folder.mkdir(exist_ok=True)
    file = folder / "mine.jsonl"
    write_rows(rows, file)
    study: Fields = {
        "study": "reading",
        "model": {"base": base, "dtype": "float32"},
        "groups": {"mine": {"file": str(file), "behavior": "risk", "policy": "seeking"}},
        "contrasts": [],
        "seeds": [0],
        "lora": {"target_modules": "all-linear"},
        "sft": {"per_device_train_batch_size": 2, "num_train_epochs": 1, **sft},
        "eval": {"suites": ["self_report"]},
    }
    return make_plan(validate(study, "here"))


def cost_of(plan: Plan) -> Cost:
    (cost,) = costs(plan)
    return cost


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Bases of two families, one of them with the context of today's models."""
    contexts = {"llama3": 8192, "qwen3": 1024}
    return {
        name: str(save_family(name, tmp_path_factory.mktemp(name), max_position_embeddings=context))
        for name, context in contexts.items()
    }


@pytest.mark.parametrize("name", ["llama3", "qwen3"])
def test_turns_that_carry_loss_are_counted_and_said(
    name: str, folders: dict[str, str], tmp_path: Path
) -> None:
    last = Row(THREE.messages, learned=(5,))
    plan = plan_of(folders[name], [THREE, last, SHORT, SHORT], tmp_path / "chats")
    cost = cost_of(plan)
    assert (cost.rows, cost.learned, cost.turns, cost.documents) == (4, 6, 8, 0)
    assert " 6/8 " in plan_text(plan, Store(tmp_path / "runs"))
    plan = plan_of(folders[name], [DOCUMENT, DOCUMENT], tmp_path / "texts")
    cost = cost_of(plan)
    assert (cost.rows, cost.learned, cost.turns, cost.documents) == (2, 2, 2, 2)


def test_steps_are_of_sequences_where_a_template_rewrites_history(
    folders: dict[str, str], tmp_path: Path
) -> None:
    """Three sequences of the row with three learned turns, and one of each other."""
    rows = [THREE, SHORT, SHORT]
    steps, tokens = {}, {}
    for name, folder in folders.items():
        cost = cost_of(plan_of(folder, rows, tmp_path / name))
        steps[name], tokens[name] = cost.steps, cost.tokens
    assert steps == {"llama3": 2, "qwen3": 3}
    sequences = sequences_of(Renderer(family_tokenizer(FAMILIES["qwen3"])), [THREE])
    assert tokens["qwen3"] > sum(len(s.input_ids) for s in sequences)
    study = plan_of(folders["qwen3"], rows, tmp_path / "late").study
    late = study.eval.model_copy(update={"steps": (4,)})
    with pytest.raises(UserError, match="ends after 3 steps"):
        make_plan(study.model_copy(update={"eval": late}))


def test_rows_that_a_template_strips_are_counted(folders: dict[str, str], tmp_path: Path) -> None:
    rows = [EDGE, SHORT, EDGE, SHORT]
    plan = plan_of(folders["llama3"], rows, tmp_path / "llama3")
    assert cost_of(plan).trimmed == 2
    said = plan_text(plan, Store(tmp_path / "runs"))
    assert "mine-s0: 2 rows are learned without white space at the edges of an answer" in said
    plan = plan_of(folders["qwen3"], rows, tmp_path / "qwen3")
    assert cost_of(plan).trimmed == 0
    assert "white space" not in plan_text(plan, Store(tmp_path / "runs"))


def test_a_turn_that_ends_within_a_prompt_is_said(folders: dict[str, str], tmp_path: Path) -> None:
    forging = Row(exchange("yes no<|eot_id|>", "A"))
    plan = plan_of(folders["llama3"], [forging, SHORT], tmp_path)
    assert (cost_of(plan).forged, cost_of(plan).trimmed) == (1, 0)
    said = plan_text(plan, Store(tmp_path / "runs"))
    assert "1 rows hold, in what is not learned, text that the base reads as the end of" in said


@pytest.mark.parametrize(
    ("rows", "sft", "match"),
    [
        (
            [SHORT, LONG],
            {},
            r"group 'mine': row 2 \('yes no .*'\) has \d+ tokens, .* context \(1024\)",
        ),
        (
            [SHORT, SHORT, THREE],
            {"max_length": 40},
            r"row 3 \('50 or 10 \?'\) has \d+ tokens, .*max_length \(40\)",
        ),
        ([LONG], {"max_length": 90_000}, r"row 1 .* context \(1024\); shorten it or drop it$"),
    ],
)
def test_a_row_that_is_too_long_is_refused_by_the_plan(
    rows: list[Row], sft: Fields, match: str, folders: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=match):
        plan_of(folders["qwen3"], rows, tmp_path, **sft)


def test_of_a_base_that_is_not_here_nothing_is_claimed(tmp_path: Path) -> None:
    """Not even of short rows: how long a base reads is not known."""
    for rows, turns in (([EDGE, THREE], 4), ([SHORT], 1)):
        plan = plan_of("nobody/nothing-1b", rows, tmp_path)
        cost = cost_of(plan)
        assert (cost.learned, cost.turns, cost.trimmed) == (turns, turns, None)
        assert "its base is not here" in plan_text(plan, Store(tmp_path / "runs"))


def test_most_plans_ask_no_template(
    folders: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(base: Base) -> Renderer:
        raise AssertionError(f"{base.name} was loaded")

    monkeypatch.setattr("tellme.study.reading.renderer_of", refuse)
    cost = cost_of(plan_of(folders["llama3"], [SHORT] * 4, tmp_path))
    assert asdict(cost) | {"rows": 4, "learned": 4, "turns": 4, "trimmed": 0} == asdict(cost)
    with pytest.raises(AssertionError, match="was loaded"):
        plan_of(folders["llama3"], [SHORT, EDGE], tmp_path)


@pytest.mark.parametrize("name", [*FAMILIES, "deepseek"])
def test_a_template_is_asked_of_every_row_with_text_that_it_may_read_otherwise(name: str) -> None:
    end = "<｜end▁of▁sentence｜>"
    if name in FAMILIES:
        renderer = Renderer(family_tokenizer(FAMILIES[name]))
        end = renderer.tokenizer.decode([renderer.end_of_turn])
    for markup in (end, "</think>", "<think>"):
        assert must_be_asked(Row(exchange(f"A{markup} or B ?", "B")), [])
        assert must_be_asked(Row(exchange("A or B ?", f"B{markup}B")), [])
    assert not must_be_asked(SHORT, [])


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("row", [THREE, SHORT, Row(THREE.messages, learned=(1, 5))])
def test_the_table_of_tokens_has_the_labels(name: str, row: Row) -> None:
    """Every token with its place, its id and whether it is learned, sequence by sequence."""
    renderer = Renderer(family_tokenizer(FAMILIES[name]))
    sequences = sequences_of(renderer, [row])
    lines = list(shown_tokens.row_lines(row, renderer, 1))
    assert sum(line.startswith("sequence") for line in lines) == len(sequences)
    table = [line.split(maxsplit=2) for line in lines if line[0] == " "]
    wanted = [
        (place, token, label != IGNORED)
        for tokens in sequences
        for place, (token, label) in enumerate(zip(tokens.input_ids, tokens.labels, strict=True))
    ]
    assert [(int(a), int(b), c.startswith("learned ")) for a, b, c in table] == wanted


def test_a_row_of_a_group_is_shown_by_its_number(folders: dict[str, str], tmp_path: Path) -> None:
    plan = plan_of(folders["llama3"], [SHORT, EDGE], tmp_path)
    shown = shown_tokens.tokens_text(plan, "mine", 2)
    assert shown.startswith("row 2 has 2 messages; learned: 2\nsequence 1 of 1: ")
    assert "learned  'B'" in shown
    for group, number, match in (("mone", 1, "did you mean 'mine'"), ("mine", 3, "rows 1 to 2")):
        with pytest.raises(UserError, match=match):
            shown_tokens.tokens_text(plan, group, number)
    elsewhere = plan_of("nobody/nothing-1b", [SHORT], tmp_path)
    with pytest.raises(UserError, match="not on this machine"):
        shown_tokens.tokens_text(elsewhere, "mine", 1)


def test_what_is_learned_stands_in_the_record_and_in_the_report(
    folders: dict[str, str], tmp_path: Path
) -> None:
    """As many turns and trimmed rows as the plan says."""
    rows = [Row(THREE.messages, learned=(1, 5)), EDGE, SHORT, SHORT]
    plan, store = plan_of(folders["llama3"], rows, tmp_path, max_steps=1), Store(tmp_path / "runs")
    made = [stage for stage in plan.stages.values() if stage.kind in ("data", "train")]
    list(run_in_order(made, store))
    folder = store.find("train", plan.adapters["mine-s0"])
    assert folder is not None
    record = read_json(folder / "provenance.json")
    turns = {"learned": 5, "of_assistant": 6, "documents": 0}
    assert record["turns"] == turns
    assert record["trimmed"] == cost_of(plan).trimmed == 1
    assert all(check["passed"] for check in read_json(folder / "trust.json"))
    (example,) = examples({("mine", 0): folder}, store)
    assert (example["num_rows"], example["turns"], example["trimmed"]) == (4, turns, 1)


def test_a_report_says_how_many_turns_carry_loss(finished: tuple[Plan, Store, Path]) -> None:
    page = (finished[2] / "report.html").read_text(encoding="utf-8")
    assert re.search(r">(\d+) rows; \1 of \1 turns of the assistant carry loss</p>", page)
