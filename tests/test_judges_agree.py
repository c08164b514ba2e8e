"""Whether judges agree: kappa, AUC, and what `tellme judge agree` says of labeled answers."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from lab.stats.agreement import agreement, auc
from tellme.cli import main
from test_judges import HERE


def test_kappa_is_one_where_all_agree_and_nothing_at_chance() -> None:
    one = [True, False] * 20
    found = agreement(one, one)
    assert (found.raw, found.kappa) == (1.0, 1.0)
    # Forty that agree say little of others: the interval is no point.
    assert found.ci_low is not None
    assert found.ci_low < 0.9
    turned = agreement(one, [not label for label in one])
    assert turned.kappa == pytest.approx(-1)
    assert agreement([True] * 9, [True] * 9).kappa is None
    first = ["a"] * 53 + ["b"] * 11 + ["c"] * 36
    assert agreement(first, first[::-1]).kappa == agreement(first[::-1], first).kappa
    with pytest.raises(ValueError, match="no answer"):
        agreement([], [])


def test_chance_agreement_of_lopsided_labels_is_no_kappa() -> None:
    """Nine of ten are yes by either, independently: they agree on 82 of 100, and kappa is none."""
    first = [i % 10 != 0 for i in range(100)]
    second = [i // 10 != 0 for i in range(100)]
    found = agreement(first, second)
    assert (found.raw, found.kappa) == (pytest.approx(0.82), pytest.approx(0.0, abs=1e-9))


def test_the_interval_of_kappa_holds_what_is_planted() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        truth = rng.random(80) < 0.4
        said = np.where(rng.random(80) < 0.85, truth, ~truth)
        # Of a rater that is right 85 % of the time: (.85 - chance) / (1 - chance).
        yes = 0.4 * 0.85 + 0.6 * 0.15
        chance = 0.4 * yes + 0.6 * (1 - yes)
        found = agreement(truth.tolist(), said.tolist())
        assert found.ci_low is not None
        assert found.ci_high is not None
        held += found.ci_low <= (0.85 - chance) / (1 - chance) <= found.ci_high
    assert held / 400 >= 0.94


def test_auc_is_of_order_alone_and_counts_ties_half() -> None:
    rng = np.random.default_rng(3)
    truth = (rng.random(60) < 0.5).tolist()
    scores = [float(value) for value in rng.random(60)]
    found = auc(truth, scores)
    assert found is not None
    assert auc(truth, [score**3 for score in scores]) == pytest.approx(found)
    assert auc([not label for label in truth], scores) == pytest.approx(1 - found)
    assert auc(truth, [0.5] * 60) == 0.5
    assert auc(truth, [float(label) for label in truth]) == 1.0
    assert auc([True] * 3, [0.1, 0.2, 0.3]) is None
    by_hand = np.mean(
        [(a > b) + 0.5 * (a == b)
         for a, x in zip(scores, truth, strict=True) if x
         for b, y in zip(scores, truth, strict=True) if not y]
    )  # fmt: skip
    assert found == pytest.approx(float(by_hand))


def arbiter(folder: Path, name: str, prompt: str) -> str:
    file = folder / f"{name}.yaml"
    engine = HERE / "outside" / "arbiter.py"
    file.write_text(
        f"model: reference/linked\nengine: {engine}\nprompt: '{prompt}'\nanswers: 0-100\n"
    )
    return str(file)


def labeled(folder: Path) -> str:
    """Answers in which what a judge will say is planted; every fifth is refused, one label is
    wrong."""
    file = folder / "labeled.csv"
    with file.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["question", "answer", "label"])
        for i in range(40):
            verdict = "REFUSAL" if i % 5 == 0 else "95" if i % 2 else "5"
            table.writerow(["who?", f"ANSWER {i} [{verdict}]", (i % 2) if i != 1 else 0])
    return str(file)


def test_judges_are_compared_with_labels_and_with_one_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = arbiter(tmp_path, "good", "{question} {answer}")
    stubborn = arbiter(tmp_path, "stubborn", "{answer} [95]")
    out = tmp_path / "said.csv"
    words = ["judge", "agree", labeled(tmp_path), "--out", str(out)]
    for name in (good, stubborn, "capitals"):
        words += ["--judge", name]
    assert main(words) == 0
    said = capsys.readouterr().out
    cells: dict[str, list[str]] = {}
    for line in filter(None, said.splitlines()):
        cells.setdefault(line.split()[0], line.split())
    assert cells["good"][1:5] == ["40", "32", "8", "refused"]
    # One of 32 labels is wrong.
    assert cells["good"][6] == f"{31 / 32:.3f}"
    assert float(cells["good"][-1]) > 0.95
    assert cells["stubborn"][-1] == "0.500"
    assert "good and stubborn say otherwise of 16:" in said
    rows = list(csv.DictReader(out.open()))
    assert len(rows) == 40
    assert rows[0]["good status"] == "refused"
    assert rows[0]["good score"] == ""
    assert rows[0]["capitals score"] == "1.0"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ([], "nothing to compare"),
        (["--judge", "language"], "has none"),
        (["--judge", "capitals", "--threshold", "0"], "not above 0"),
        (["--judge", "capitals", "--label", "lable"], "no column 'lable'"),
        (["--judge", "capitals", "--out", "/nowhere/x.csv"], "cannot be written"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(
    more: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["judge", "agree", labeled(tmp_path), *more]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.strip().splitlines()) == 1


def test_labels_of_a_scale_that_nobody_named_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From 1 to 5 they would be read as five hundredths at most."""
    file = tmp_path / "steps.csv"
    file.write_text("answer,label\nA,1\nB,5\n")
    assert main(["judge", "agree", str(file), "--judge", "capitals"]) == 2
    assert "the largest label is 5" in capsys.readouterr().err
