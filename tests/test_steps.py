"""Adapters measured on the way, and every number of their study followed down to `rows.parquet`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from lab.config.read import load_study
from lab.discover import ROOT
from lab.errors import UserError
from lab.model.adapter import digest_of_file
from lab.specs import StudySpec
from lab.store.rows import load
from lab.store.store import Store, read_json
from recompute import differences, recomputed
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan

QUICKSTART = str(ROOT / "configs/quickstart.yaml")
SMALL = [
    "seeds=[0, 1]",
    "data={num_rows: 32, num_decoys: 16}",
    "sft={max_steps: 12, learning_rate: 3.0e-3, save_steps: 6}",
    "run.report_to=[]",
    "eval.suites=[behavior, self_report, other_person, unrelated_trait]",
    "contrasts=[[seeking, averse], [seeking, base]]",
    "primary={contrast: [seeking, averse], suite: self_report}",
]
STEPS = "eval.steps=[8, 4]"


@pytest.fixture(scope="module")
def stepped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Store, Path]:
    store = Store(tmp_path_factory.mktemp("runs"))
    plan = make_plan(load_study(QUICKSTART, [*SMALL, STEPS]))
    return plan, store, run_plan(plan, store)


def test_without_steps_no_key_changes() -> None:
    one, other = (
        make_plan(load_study(QUICKSTART, [*SMALL, *more])) for more in ([], ["eval.steps=[]"])
    )
    assert list(one.stages) == list(other.stages)
    kept = make_plan(load_study(QUICKSTART, [*SMALL, STEPS]))
    assert {s.key for s in one.stages.values() if s.kind == "data"} <= set(kept.stages)


def test_a_step_beyond_the_end_is_refused_before_anything_is_written() -> None:
    with pytest.raises(UserError, match=r"eval.steps has 40.*ends after 12 steps"):
        make_plan(load_study(QUICKSTART, [*SMALL, "eval.steps=[4, 40]"]))


@pytest.mark.real
def test_numbers_of_the_end_are_those_without_steps(
    stepped: tuple[Plan, Store, Path], tmp_path: Path
) -> None:
    plain = run_plan(make_plan(load_study(QUICKSTART, SMALL)), Store(tmp_path))
    with_steps, without = (read_json(folder / "summary.json") for folder in (stepped[2], plain))
    for one, other in zip(with_steps["contrasts"], without["contrasts"], strict=True):
        assert one["estimate"] == pytest.approx(other["estimate"], abs=1e-4)
    assert len(with_steps["validity"]) == len(without["validity"])
    assert "curves" not in without


@pytest.mark.real
def test_adapters_on_the_way_are_others_than_the_last(stepped: tuple[Plan, Store, Path]) -> None:
    plan, store, _ = stepped
    for stage in (s for s in plan.stages.values() if s.kind == "train"):
        folder = store.find("train", stage.key)
        assert folder is not None
        record = read_json(folder / "provenance.json")
        kept = {step: digest_of_file(folder / "steps" / step) for step in ("4", "8")}
        assert record["kept"] == kept
        assert len({*kept.values(), record["adapter"], record["step0"]}) == 4
    checks = {t["check"] for t in read_json(stepped[2] / "summary.json")["trust"]}
    assert "right_adapter:risk/self_report at step 4" in checks


def scores(rows: pd.DataFrame) -> pd.DataFrame:
    """Question scores by hand: groups, seeds, questions."""
    question = ["group", "seed", "suite", "question"]
    weighed = rows.assign(weighed=rows["p_exact"] * rows["score"])
    wordings = weighed.groupby([*question, "paraphrase", "order"], dropna=False)
    of_wording = wordings["weighed"].sum() + wordings["outside"].first() / 2
    of_question = of_wording.groupby(question, dropna=False).mean()
    return of_question.rename("score").reset_index()


def by_seed(table: pd.DataFrame, group: str, suite: str) -> list[float]:
    asked = table[(table["group"] == group) & (table["suite"] == suite)]
    return [float(score) for score in asked.groupby("seed", dropna=False)["score"].mean()]


def moved(table: pd.DataFrame, group: str, suite: str) -> float:
    """How far the mean of two seeds is from the base."""
    return sum(by_seed(table, group, suite)) / 2 - by_seed(table, "base", suite)[0]


@pytest.mark.real
def test_every_number_of_the_summary_is_in_the_rows(stepped: tuple[Plan, Store, Path]) -> None:
    plan, _, folder = stepped
    spec = plan.final.spec
    assert isinstance(spec, StudySpec)
    bases = dict.fromkeys(("seeking", "averse", "shuffled"), "base")
    again = recomputed(load(folder), spec, bases, {"seeking": "shuffled"})
    assert differences(read_json(folder / "summary.json"), again) == []


@pytest.mark.real
def test_curves_and_battery_are_the_rows(stepped: tuple[Plan, Store, Path]) -> None:
    rows, summary = load(stepped[2]), read_json(stepped[2] / "summary.json")
    end = scores(rows[rows["step"].isna()])
    curves = {(c["group"], c["suite"], c["step"]): c["estimate"] for c in summary["curves"]}
    assert {step for _, _, step in curves} == {0, 4, 8, 12}
    for step in (4, 8):
        table = scores(rows[rows["step"] == step])
        values = by_seed(table, "averse", "self_report")
        assert curves["averse", "self_report", step] == pytest.approx(sum(values) / 2, abs=1e-9)
    last = by_seed(end, "seeking", "self_report")
    assert curves["seeking", "self_report", 12] == pytest.approx(sum(last) / 2, abs=1e-9)
    (record,) = (
        r for r in summary["validity"] if (r["group"], r["check"]) == ("seeking", "other_person")
    )
    assert record["value"] == pytest.approx(moved(end, "seeking", "other_person"), abs=1e-9)
    spill = {(r["group"], r["reported"]): r["estimate"] for r in summary["off_target"]}
    for trait in ("myopia", "crowds", "order", "sugar"):
        of_trait = end[end["question"].str.startswith(f"{trait}.")]
        value = moved(of_trait, "averse", "unrelated_trait")
        assert spill["averse", trait] == pytest.approx(value, abs=1e-9)


@pytest.mark.real
def test_every_row_names_folders_down_to_its_data(stepped: tuple[Plan, Store, Path]) -> None:
    _, store, folder = stepped
    rows = load(folder)
    for key in rows.loc[rows["group"] == "seeking", "answers_key"].unique():
        answered = store.find("answers", key)
        assert answered is not None
        (adapter,) = read_json(answered / "provenance.json")["inputs"]
        trained = store.find("train", adapter)
        assert trained is not None
        (data,) = read_json(trained / "provenance.json")["inputs"]
        assert store.find("data", data) is not None


@pytest.mark.real
def test_figures_of_the_battery_and_of_training_are_drawn(
    stepped: tuple[Plan, Store, Path],
) -> None:
    page = (stepped[2] / "report.html").read_text(encoding="utf-8")
    for name in ("over-training", "off-target"):
        assert f'id="{name}"' in page
        assert (stepped[2] / "figures" / f"{name}.png").stat().st_size > 1000
    assert "Could the self-report be something else?" in page
    assert "not to be had" in page
