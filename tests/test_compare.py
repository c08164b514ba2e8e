"""Studies side by side, on planted folders: the planted effect comes out; a base counts once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lab.errors import UserError
from lab.store.store import read_json, write_json
from tellme.cli import main
from tellme.report.analysis.pooling import pooled
from tellme.report.compare import compare
from tellme.report.figures.tables import forest_table


def folder(
    root: Path,
    name: str,
    base: str,
    estimate: float,
    rank: int = 8,
    key: str = "model",
    a: str = "seeking",
    groups: dict[str, Any] | None = None,
) -> Path:
    out = root / "study" / f"{name}-0"
    out.mkdir(parents=True)
    contrast = {
        "suite": "self_report",
        "behavior": "risk",
        "question": "all",
        "a": a,
        "b": "averse",
        "estimate": estimate,
        "ci_low": estimate - 0.1,
        "ci_high": estimate + 0.1,
        "standard_error": 0.03,
        "num_seeds": 3,
        "num_questions": 16,
        "primary": True,
    }
    write_json(out / "summary.json", {"study": name, "key": "0", "contrasts": [contrast]})
    written = {
        "study": name,
        "model": {"base": base},
        "lora": {"r": rank},
        "groups": {a: {}, "averse": {}, **(groups or {})},
    }
    write_json(out / "provenance.json", {"written": written})
    rows = pd.DataFrame({"group": ["base", "seeking"], "answers_key": ["base", key + name]})
    rows.to_parquet(out / "rows.parquet")
    return out


def line(base: str, estimate: float, error: float | None = 0.03) -> dict[str, Any]:
    return {"base": base, "estimate": estimate, "standard_error": error}


def test_the_planted_effect_is_inside_and_the_order_is_nothing() -> None:
    lines = [line("a", 0.28), line("b", 0.33), line("c", 0.29), line("d", 0.31)]
    found, turned = pooled(lines), pooled(lines[::-1])
    assert found["ci_low"] < 0.3 < found["ci_high"]
    assert found["estimate"] == pytest.approx(turned["estimate"])
    assert found["prediction_low"] <= found["ci_low"]


def test_a_base_counts_once() -> None:
    """Ten studies on one base are one cluster: the interval over three bases does not narrow with
    them."""
    few = pooled([line("a", 0.1), line("b", 0.3), line("c", 0.5)])
    many = pooled([line("a", 0.1), line("b", 0.3), *(line("c", 0.5) for _ in range(10))])
    assert many["num_bases"] == few["num_bases"] == 3
    assert many["estimate"] == pytest.approx(few["estimate"], abs=0.02)
    width = few["ci_high"] - few["ci_low"]
    assert many["ci_high"] - many["ci_low"] == pytest.approx(width, rel=0.1)


def test_agreeing_studies_claim_no_more_than_their_errors_allow() -> None:
    found = pooled([line(base, 0.3, 0.3) for base in "abcd"])
    assert found["ci_high"] - found["ci_low"] > 2 * 0.3 / 2


def test_two_bases_or_no_error_give_no_interval() -> None:
    for lines in (
        [line("a", 0.2), line("b", 0.4)],
        [line("a", 0.2), line("b", 0.4), line("c", 0.3, None)],
    ):
        found = pooled(lines)
        assert found["ci_low"] is None
        assert found["estimate"] == pytest.approx(0.3)


def test_folders_are_compared_and_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [
        folder(tmp_path, "s0", "x/one", 0.2, rank=8),
        folder(tmp_path, "s1", "x/two", 0.4, rank=8),
        folder(tmp_path, "s2", "x/one", 0.3, rank=32),
    ]
    assert main(["report", *map(str, folders)]) == 0
    text = capsys.readouterr().out
    assert "too few for an interval over bases" in text
    out = Path(text.strip().rpartition("report: ")[2])
    found = read_json(out.parent / "compare.json")
    (contrast,) = found["contrasts"]
    assert [s["estimate"] for s in contrast["studies"]] == [0.2, 0.3, 0.4]
    assert {s["label"] for s in contrast["studies"] if s["base"] == "x/one"} == {
        "r 8, study s0",
        "r 32, study s2",
    }
    assert contrast["pooled"]["estimate"] == pytest.approx((0.25 + 0.4) / 2)
    assert (out.parent / "figures" / "forest.png").stat().st_size > 1000
    assert main(["report", *map(str, reversed(folders))]) == 0
    assert str(out) in capsys.readouterr().out


def test_models_that_two_studies_share_are_named(tmp_path: Path) -> None:
    one, two = folder(tmp_path, "s", "x/one", 0.2), folder(tmp_path / "again", "s", "x/two", 0.3)
    summary = read_json(two / "summary.json")
    write_json(two / "summary.json", summary | {"key": "1"})
    assert "not independent" in read_json(compare([one, two]) / "compare.json")["warnings"][0]


OWN: dict[str, Any] = {"model": {"base": "x/own"}}


@pytest.mark.parametrize(
    ("groups", "a", "base"),
    [
        ({}, "seeking", "x/study"),
        ({"seeking": OWN, "averse": OWN}, "seeking", "x/own"),
        ({"seeking": OWN, "averse": {"control": "shuffled", "of": "seeking"}}, "seeking", "x/own"),
        ({"seeking": {"model": "x/own"}, "averse": OWN}, "seeking@trigger", "x/own"),
        ({"seeking": {"model": {"quantization": "nf4"}}}, "seeking", "x/study"),
        ({"seeking": OWN}, "seeking", "x/own and x/study"),
        ({"averse": OWN}, "seeking", "x/own and x/study"),
        ({"seeking": OWN, "averse": OWN, "told": {}}, "seeking - told@clean", "x/own and x/study"),
    ],
)
def test_a_contrast_stands_under_the_base_its_groups_were_trained_on(
    groups: dict[str, Any], a: str, base: str, tmp_path: Path
) -> None:
    named = {name: {} for name in ("seeking", "averse")} | groups
    one = folder(tmp_path, "one", "x/study", 0.2, a=a, groups=named)
    two = folder(tmp_path, "two", "x/two", 0.4, a=a, groups={"seeking": {}, "told": {}})
    out = compare([one, two])
    (contrast,) = read_json(out / "compare.json")["contrasts"]
    assert {s["study"]: s["base"] for s in contrast["studies"]} == {"one-0": base, "two-0": "x/two"}
    assert base in (out / "compare.html").read_text(encoding="utf-8")


def test_contrasts_between_the_same_two_bases_are_a_cluster_of_their_own(tmp_path: Path) -> None:
    """Either way round; with the two bases themselves they are three, and each enters once."""
    mixed = [
        folder(tmp_path, "a", "x/one", 0.3, groups={"averse": {"model": {"base": "x/two"}}}),
        folder(tmp_path, "b", "x/two", 0.5, groups={"averse": {"model": {"base": "x/one"}}}),
    ]
    plain = [folder(tmp_path, "c", "x/one", 0.1), folder(tmp_path, "d", "x/two", 0.2)]
    found = read_json(compare([*mixed, *plain]) / "compare.json")
    (contrast,) = found["contrasts"]
    assert contrast["pooled"]["num_bases"] == 3
    assert contrast["pooled"]["ci_low"] is not None
    rows = list(forest_table([contrast])["row"])
    assert len(set(rows)) == 5
    assert sum(row.startswith("one and two") for row in rows) == 2


def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = folder(tmp_path, "one", "x/one", 0.2)
    two = folder(tmp_path, "two", "x/two", 0.3, a="other")
    with pytest.raises(UserError, match="given 2 times"):
        compare([one, one])
    with pytest.raises(UserError, match="share no contrast"):
        compare([one, two])
    assert main(["report", str(one), str(tmp_path)]) == 2
    assert "has no summary.json" in capsys.readouterr().err
    assert not (tmp_path / "compare").exists()
