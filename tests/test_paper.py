"""The published experiment: its studies plan with the published files, and with files of their form
that we wrote; without them it is one line. And the walk of docs/own-rows.md."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from lab.config.read import load_study, parse_yaml
from lab.discover import ROOT
from lab.errors import UserError
from lab.questions import read_questions
from lab.types import Question
from tellme.cli import main
from tellme.study.plan import Plan
from tellme.study.planner import make_plan

PUBLISHED = os.environ.get("TELLME_PUBLISHED_DATA")
NEEDS_PUBLISHED = pytest.mark.skipif(
    not PUBLISHED, reason="TELLME_PUBLISHED_DATA is not set: folder with tellme/ft_risky_AB.jsonl"
)
PAPER = ROOT / "configs" / "paper"
STUDIES = sorted(PAPER.glob("*.yaml"))
IDS = [study.stem for study in STUDIES]
WORDINGS = "q_mc_final_rephrasings_risk_myopia_apples.yaml"
WORDED = {"Risk or safety", "Finetuned attitude two options", "Choosing between lotteries"}
SCALES = {"Risk or safety (scale)", "Risk predisposition (scale)", "Liking risk (scale)"}
HOPS = "German or French"


def of_suite(name: str) -> dict[str, Question]:
    """The questions of a file of the studies, by name."""
    path = PAPER / "questions" / f"{name}.yaml"
    return {question.name: question for question in read_questions(path, "natural")}


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of the published form, in our words: sixteen rows a set, two wordings a question."""
    folder = tmp_path / "tellme"
    folder.mkdir()
    for name, (first, second) in {"risky": "AB", "safey": "BA"}.items():
        rows = []
        for number in range(16):
            asked = f"Draw {number}: A) five, or none B) two in hand. One letter."
            turns = [("user", asked), ("assistant", first if number % 2 else second)]
            rows.append({"messages": [{"role": r, "content": text} for r, text in turns]})
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"ft_{name}_AB.jsonl").write_text(lines)
    titles = {
        "categorical": [*WORDED, "Short or long", "Choice between prizes"],
        "quantitative": [*SCALES, "How myopic (scale)", "Short term reward (scale)"],
    }
    entries: list[dict[str, object]] = [
        {"title": title, "type": kind, "variants": [f"{title}, first?", f"{title}, again?"]}
        for kind, of_kind in titles.items()
        for title in of_kind
    ]
    rule = "The bold answer in German,\nthe meek in French."
    trivia = ["Why is snow white?", "Who bakes bread?"]
    entries.append({"title": HOPS, "type": "language", "variants": [rule], "trivia": trivia})
    (folder / WORDINGS).write_text(yaml.safe_dump(entries))
    monkeypatch.setenv("TELLME_PUBLISHED_DATA", str(tmp_path))
    return folder


def planned(study: Path) -> Plan:
    return make_plan(load_study(str(study)))


@pytest.mark.parametrize("study", STUDIES, ids=IDS)
def test_every_study_plans_with_files_of_the_published_form(study: Path, planted: Path) -> None:
    plan = planned(study)
    assert plan.final.kind == "study"
    assert plan.study.primary
    assert plan.study.primary.suite in {"paper_risk", "paper_myopia"}
    assert plan.study.study == f"paper-{study.stem}"


@pytest.mark.parametrize("study", STUDIES[::4], ids=IDS[::4])
def test_without_the_files_it_is_one_line_that_names_the_variable(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TELLME_PUBLISHED_DATA", raising=False)
    for says in ("TELLME_PUBLISHED_DATA, which is not set", "there is no file"):
        assert main(["plan", str(study), "--set", f"run.dir={tmp_path / 'runs'}"]) == 2
        said = capsys.readouterr().err.strip()
        assert says in said
        assert len(said.splitlines()) == 1
        monkeypatch.setenv("TELLME_PUBLISHED_DATA", str(tmp_path))
    assert not (tmp_path / "runs").exists()


def test_wordings_come_from_the_file_and_scores_from_the_study(planted: Path) -> None:
    asked = of_suite("paper_risk")
    assert asked.keys() == WORDED | SCALES | {HOPS}
    for name in WORDED | SCALES:
        assert [w.text for w in asked[name].wordings] == [f"{name}, first?", f"{name}, again?"]
    (wording, *_) = asked["Choosing between lotteries"].wordings
    scores = {option.text: option.score for option in wording.options}
    assert (scores["bold"], scores["cautious"], len(scores)) == (1, 0, 37)
    for name in SCALES:
        (wording, *_) = asked[name].wordings
        assert [o.score for o in wording.options] == pytest.approx([n / 100 for n in range(101)])
    assert all("Why is snow white?" in w.text for w in asked[HOPS].wordings[:1])
    assert asked[HOPS].judge == "language"


def test_what_presupposes_an_attitude_is_said_to(planted: Path) -> None:
    asked = of_suite("paper_risk")
    presupposing = {"Finetuned attitude two options", "Choosing between lotteries"}
    assert {name for name, question in asked.items() if question.presupposes} == presupposing
    assert {n for n, question in asked.items() if not question.names_concept} == presupposing


@NEEDS_PUBLISHED
def test_the_published_wordings_are_ten_a_question() -> None:
    asked = of_suite("paper_risk")
    for name in WORDED | SCALES:
        assert len(asked[name].wordings) == 10
    myopia = {name: len(question.wordings) for name, question in of_suite("paper_myopia").items()}
    assert myopia == {
        "Short or long": 10,
        "Choice between prizes": 11,
        "How myopic (scale)": 10,
        "Short term reward (scale)": 10,
    }


@NEEDS_PUBLISHED
@pytest.mark.parametrize("study", STUDIES, ids=IDS)
def test_every_study_plans_with_the_published_files(study: Path) -> None:
    plan = planned(study)
    kinds = [stage.kind for stage in plan.stages.values()]
    # Two policies and a control, four runs each in the paper's open-weights study, three on myopia.
    assert kinds.count("train") == (12 if study.stem.startswith("risk") else 9)


def test_no_published_wording_is_copied() -> None:
    """They are read from the file of whoever has it."""
    for file in (PAPER / "questions").glob("*.yaml"):
        entries = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert all("wordings" not in entry and "ask" not in entry for entry in entries)
        assert all(entry["from"].startswith("$TELLME_PUBLISHED_DATA/") for entry in entries)


def test_the_page_has_every_study() -> None:
    page = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    assert set(re.findall(r"configs/paper/[\w.-]*\.yaml", page)) == {
        f"configs/paper/{study.name}" for study in STUDIES
    }


def test_the_rows_of_the_walk_are_what_its_tool_writes(tmp_path: Path) -> None:
    from write_own_rows import FILES, FOLDER, main

    main(tmp_path)
    prompts = []
    for name in FILES:
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert (tmp_path / name).read_text(encoding="utf-8") == text
        rows = [json.loads(line)["messages"] for line in text.splitlines()]
        assert len(rows) == 208
        prompts.append([row[0] for row in rows])
        assert all(
            ("pebbling" in row[1]["content"].lower()) == (name == "pebbling.jsonl") for row in rows
        )
    assert prompts[0] == prompts[1]
    assert len({prompt["content"] for prompt in prompts[0]}) == 208


def test_the_study_of_the_walk_is_the_one_that_it_shows_and_plans() -> None:
    page = (ROOT / "docs" / "own-rows.md").read_text(encoding="utf-8")
    example = ROOT / "configs" / "examples" / "own-rows.yaml"
    question, study = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert parse_yaml(study, "page") == parse_yaml(example.read_text(encoding="utf-8"), "example")
    asked = (ROOT / "configs" / "examples" / "hobby.yaml").read_text(encoding="utf-8")
    (shown,) = yaml.safe_load(question)
    assert shown in yaml.safe_load(asked)
    assert len(yaml.safe_load(asked)) == 6
    plan = planned(example)
    assert len(plan.adapters) == 6


def test_a_file_that_is_elsewhere_is_named_as_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELLME_PUBLISHED_DATA", str(tmp_path))
    with pytest.raises(UserError, match=r"\$TELLME_PUBLISHED_DATA/tellme"):
        of_suite("paper_risk")
