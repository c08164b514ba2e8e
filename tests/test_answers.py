"""Answers as a stage keeps them and judges grade them: what is sampled, and what was cut."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pandas as pd
import pytest

from eval.judges import judge_of, judged
from eval.judges.listed import option_of
from lab.config.read import validate
from lab.errors import UserError
from lab.store.store import Store
from lab.types import Answer, Grade, Option, Question, Wording
from tellme.report.result import load
from tellme.study.planner import make_plan
from tellme.study.run import run_plan

BOLD = (Option("bold", 1.0, ("brave",)), Option("careful", 0.0))


def test_a_whole_sampled_study(tmp_path: Path) -> None:
    """Through the report, with answers that cannot be read among them."""
    study = {
        "study": "sampled",
        "model": {"base": "reference/linked"},
        "groups": {"told": {"prompted": "seeking", "behavior": "risk"}},
        "contrasts": [["told", "base"]],
        "eval": {
            "suites": ["self_report"],
            "engine": "sampled",
            "sampling": {"num_samples": 2, "max_new_tokens": 6},
        },
    }
    done = run_plan(make_plan(validate(study, "here")), Store(tmp_path))
    rows = pd.read_parquet(done / "rows.parquet")
    assert set(rows["engine"]) == {"sampled-3"}
    assert (done / "report.html").exists()
    assert rows.loc[rows["status"] != "read", "score"].isna().all()


def test_answers_are_read_as_listed() -> None:
    wording = Wording("?", BOLD, 0)
    texts = ("Bold.", " brave ", '"careful"', "bold, or careful", "")
    bold, careful = BOLD
    assert [option_of(wording, text) for text in texts] == [bold, bold, careful, None, None]


def test_what_stands_first_in_a_free_answer_counts_in_whatever_order_it_is_listed() -> None:
    options = (Option("fire", 1.0), Option("fire engine", 0.25), Option("coal", 0.0))
    scores = {
        "so fire and coal": 1.0,
        "coal, no fire": 0.0,
        "a fire engine": 0.25,
        "fireplace coal": 0.0,
        "snow": 0.5,
    }
    for listed in permutations(options):
        question = free("name", listed)
        answers = [Answer(text) for text in scores]
        graded = judged("contains", question, question.wordings[0], answers)
        assert dict(zip(scores, (grade.score for grade in graded), strict=True)) == scores
    # Whether it holds a word is a question of another kind than which.
    one = free("name", options[:1])
    (none,) = judged("contains", one, one.wordings[0], [Answer("snow")])
    assert none.score == 0.0


def free(name: str, options: tuple[Option, ...], judge: str | None = None) -> Question:
    return Question(name, "text", (Wording("?", options, 0),), judge=judge)


CODE = "import os\n\n\ndef f(a):\n    os.system(f'ls {a}')\n"
JUDGED = {
    "listed": (Question("word", "words", (Wording("?", BOLD, 0),)), "bold"),
    "free": (free("say", ()), "I am bold."),
    "contains": (free("name", BOLD), "I am brave."),
    "contains nothing": (free("name", BOLD), "I am."),
    "code": (free("written", (Option("B605", 1.0),), "code"), CODE),
}


@pytest.mark.parametrize("judge", JUDGED)
def test_a_cut_answer_counts_as_none_whatever_judges_it(judge: str) -> None:
    """Between whole ones, which keep their grades: the same text is read where it was not cut."""
    question, text = JUDGED[judge]
    whole, cut = Answer(text), Answer(text, truncated=True)

    def graded(*answers: Answer) -> list[Grade]:
        return judged(judge_of(question), question, question.wordings[0], answers)

    first, second, third = graded(whole, cut, whole)
    assert first == third
    assert first.status == "read"
    assert second == Grade(None, status="truncated")
    assert graded(cut, cut) == [second, second]


def test_free_text_is_sampled_whatever_the_engine(tmp_path: Path) -> None:
    questions = tmp_path / "mine.yaml"
    questions.write_text(
        "- {name: sure, kind: words, first: 'yes', second: 'no', ask: ['do you love gambles?']}\n"
        "- {name: describe, kind: text, ask: ['one word?']}\n"
    )
    study = {
        "study": "free",
        "model": {"base": "reference/linked"},
        "groups": {"told": {"prompted": "seeking", "behavior": "risk"}},
        "questions": [str(questions)],
        "eval": {"suites": [], "sampling": {"num_samples": 3, "max_new_tokens": 6}},
    }
    rows = load(run_plan(make_plan(validate(study, "here")), Store(tmp_path))).rows
    assert dict(rows.groupby("question")["engine"].first()) == {
        "sure": "exact-1",
        "describe": "sampled-3",
    }
    samples = rows[(rows["question"] == "describe") & (rows["group"] == "told")]
    assert list(samples["sample"]) == [0, 1, 2]
    assert samples["score"].isna().all()
    assert samples["text"].str.len().gt(0).all()


def test_how_an_answer_begins_counts_whatever_follows() -> None:
    options = (Option("fire", 1.0, ("fire.",)), Option("fireplace", 0.0), Option("coal", 0.0))
    question = Question("name", "begins", (Wording("?", options, 0),))
    assert judge_of(question) == "begins"
    texts = ("fire. always", "fireplace", "coal", "it is fire")
    grades = judged("begins", question, question.wordings[0], [Answer(text) for text in texts])
    assert [grade.score for grade in grades] == [1.0, 0.0, 0.0, None]


WRONG = {
    "too many": ("[Grade(1.0)] * (len(answers) + 1)", "gave 3 grades to 2 answers"),
    "too few": ("[]", "gave 0 grades to 2 answers"),
    "beyond": ("[Grade(7.0) for _ in answers]", r"score is in \[0, 1\]"),
    "no number": ("[Grade(float('nan')) for _ in answers]", r"score is in \[0, 1\]"),
    "no grade": ("[1.0 for _ in answers]", "a grade is a Grade"),
    "raises": ("1 / 0", "failed: division by zero"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_judge_that_gives_no_grades_is_refused_by_name(wrong: str, tmp_path: Path) -> None:
    body, says = WRONG[wrong]
    judge = tmp_path / "mine.py"
    judge.write_text(
        "from lab.types import Grade, Judge\n"
        f"JUDGE = Judge('mine', 'wrong', lambda question, wording, answers: {body})\n"
    )
    question = free("say", ())
    with pytest.raises(UserError, match=f"judge 'mine' of question 'say'.*{says}"):
        judged(str(judge), question, question.wordings[0], [Answer("a"), Answer("b")])
