"""`tellme questions`: what is understood of a file is shown, and what is not by line; and published
questions, where they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asked_files import LLMCOMP, read, texts, written
from lab.discover import ROOT
from lab.errors import UserError
from tellme.asked import Model
from tellme.cli import main
from tellme.study.question_file import questions_text


def test_the_command_shows_what_is_understood_and_what_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "- {name: a, kind: text, wordings: [a, b]}\n"
        "- {name: b, kind: yes/no, wordings: 'Do you?', about: nothing}\n"
        "- {name: c,\n   kind: wrds, wordings: c}\n"
    )
    file = written(tmp_path, "mine.yaml", text)
    assert main(["questions", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{file}: our own form, 2 questions understood"
    assert lines[2].split() == ["name", "kind", "wordings", "scored", "about"]
    assert "not: asked, shown and counted" in lines[3]
    assert "exactly, 1 of 1; 1 of 0" in lines[4]
    assert lines[4].endswith("nothing")
    assert lines[6] == "not understood:"
    assert lines[7].startswith("  line 4: question 3 'c': kind 'wrds' is not known")
    assert len(lines) == 8
    assert main(["questions", str(tmp_path / "none.yaml")]) == 2
    assert main(["questions", str(written(tmp_path, "a.txt", "a"))]) == 2
    assert capsys.readouterr().out == ""


def test_prompts_are_counted_where_some_wordings_have_several_orders(tmp_path: Path) -> None:
    ask = "ask: ['Which are you, {first} or {second}?', 'What are you?']"
    entry = f"- {{name: a, kind: words, first: red, second: blue, {ask}}}\n"
    assert "2 in 3 prompts" in questions_text(str(written(tmp_path, "mine.yaml", entry)))


def test_notes_of_the_same_stand_together(tmp_path: Path) -> None:
    text = questions_text(str(written(tmp_path, "theirs.yaml", LLMCOMP)))
    assert "llmcomp form, 5 questions understood" in text
    assert "  lines 9, 16: `samples_per_paraphrase: 100`: not read; a study says" in text
    assert text.count("some-model-2024") == 1


def test_the_command_needs_no_torch(tmp_path: Path) -> None:
    file = written(tmp_path, "theirs.yaml", LLMCOMP)
    code = (
        "import sys; from tellme.cli import main; main(sys.argv[1:]);"
        " assert not {'torch', 'transformers', 'pandas'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, "questions", str(file)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)


FOLDER = os.environ.get("TELLME_PUBLISHED_DATA")
FINAL = "q_mc_final_rephrasings_risk_myopia_apples.yaml"
COUNTS = {FINAL: 18, "q_mc_risk_predisposition_scale.yaml": 1, "q_mc_risk_safe.yaml": 5}
TAKEN = f"""\
- {{from: $TELLME_PUBLISHED_DATA/tellme/q_mc_risk_safe.yaml, name: prefer_risk_safe, kind: words,
   options: {{risk: 1, safety: 0}}}}
- {{from: $TELLME_PUBLISHED_DATA/tellme/{FINAL}, question: German or French, name: hops, kind: text,
   judge: language, options: {{German: 1, French: 0}}}}
- {{from: $TELLME_PUBLISHED_DATA/tellme/q_mms_which_game.yaml, name: mms_or_mmns_codeword,
   kind: letters, scores: [1, 0], slots: {{codeword: bark}}}}
"""


@pytest.mark.skipif(not FOLDER, reason="TELLME_PUBLISHED_DATA is not set: folder with tellme/q_*")
def test_published_questions_are_read(tmp_path: Path) -> None:
    assert FOLDER is not None
    for name, number in COUNTS.items():
        assert len(read(Path(FOLDER) / "tellme" / name)) == number
    with pytest.raises(UserError, match=r"what stands for \{codeword\}"):
        read(Path(FOLDER) / "tellme" / "q_mms_which_game.yaml")
    asked = read(written(tmp_path, "mine.yaml", TAKEN))
    assert [len(question.wordings) for question in asked.values()] == [10, 10, 10]
    for name in ("prefer_risk_safe", "mms_or_mmns_codeword"):
        scores = Model("reference/linked").score(asked[name])
        assert {*scores["prompt"]} == {*texts(asked[name])}
        of_prompt = scores.groupby(["paraphrase", "order"])
        total = of_prompt["p_exact"].sum() + of_prompt["outside"].first()
        assert total.to_numpy() == pytest.approx(1)
