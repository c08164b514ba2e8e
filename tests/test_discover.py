"""Files that users bring: refused in one line, or run; and an edited one is another."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from data_gen.behaviors import load_behavior
from data_gen.controls import load_control
from data_gen.triggers import load_trigger
from eval.ask import asked_digest, graded_digest
from eval.judges import judge_digest, load_judge, locate_judge
from eval.suites import load_suite, locate_suite
from lab.discover import ROOT, digest_of_code, find_path
from lab.engines import engine_digest, load_engine
from lab.errors import UserError
from lab.specs import Asking
from lab.types import Answer, Question, Wording

OUTSIDE = ROOT / "tests" / "outside"
LOADERS = {
    "BEHAVIOR": load_behavior,
    "CONTROL": load_control,
    "TRIGGER": load_trigger,
    "SUITE": load_suite,
    "JUDGE": load_judge,
    "ENGINE": load_engine,
}
JUDGE = """from lab.discover import beside
from lab.types import Grade, Judge

WORDS = beside(__file__)


def grades(question, wording, answers):
    return [Grade({score}) for answer in answers]


JUDGE = Judge("{name}", "always alike", grades)
"""


def judge(file: Path, score: float) -> Path:
    file.write_text(JUDGE.format(score=score, name=file.stem))
    file.with_suffix(".yaml").write_text("- one\n")
    return file


def score(file: Path) -> float | None:
    wording = Wording("?", (), 0)
    question = Question("q", "text", (wording,))
    return load_judge(str(file)).grades(question, wording, [Answer("")])[0].score


@pytest.mark.parametrize("attribute", LOADERS)
def test_what_is_of_another_type_is_refused(attribute: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"{attribute} = 3\n")
    with pytest.raises(UserError, match=rf"{attribute} is 3, which is no {attribute.title()};"):
        LOADERS[attribute](str(file))


@pytest.mark.parametrize("attribute", sorted(LOADERS.keys() - {"SUITE"}))
def test_only_questions_are_a_yaml(attribute: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("- {name: a, kind: words, first: x, second: y, ask: ['?']}\n")
    with pytest.raises(UserError, match="must be a Python file"):
        LOADERS[attribute](str(file))
    assert locate_suite(str(file), "questions") == str(file)


@pytest.mark.parametrize("text", ["raise SystemExit(0)", "import sys; sys.exit('bye')", "1 / 0"])
def test_a_file_that_ends_the_process_is_refused_as_often_as_it_is_asked_for(
    text: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"{text}\n")
    for _ in range(2):
        with pytest.raises(UserError, match=r"mine\.py cannot be imported: "):
            load_behavior(str(file))


@pytest.mark.parametrize("name", ["~nouser/x.py", "a" * 300 + ".py", "zero\0byte.py"])
def test_a_path_that_cannot_be_is_not_found(name: str) -> None:
    assert find_path(name) is None
    with pytest.raises(UserError, match="was not found"):
        load_behavior(name)


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("~nouser/x.py", "was not found beside it"),
        ("./mine.yaml", "must be a mapping with model, prompt"),
    ],
)
def test_a_judge_that_a_question_names_is_refused_in_the_same_way(
    named: str, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"- {{name: a, kind: text, ask: ['?'], judge: {named}}}\n")
    with pytest.raises(UserError, match=says):
        graded_digest(Asking(suite=str(file), behavior="risk", style="plain"), None)


CALLED = {
    "tea": "BEHAVIOR",
    "bell": "TRIGGER",
    "talk": "SUITE",
    "length": "JUDGE",
    "evenly": "ENGINE",
}


@pytest.mark.parametrize("stem", CALLED)
def test_all_that_have_a_name_have_that_of_their_file(stem: str, tmp_path: Path) -> None:
    file = tmp_path / f"{stem}2.py"
    file.write_text((OUTSIDE / f"{stem}.py").read_text())
    with pytest.raises(UserError, match=f"calls itself '{stem}.*must have the name of its file"):
        LOADERS[CALLED[stem]](str(file))


def test_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    files = []
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        files.append(judge(tmp_path / str(number) / "mine.py", number / 4))
    assert [score(file) for file in files] == [0.25, 0.5]
    assert len({judge_digest(str(file)) for file in files}) == 2


def test_an_edited_file_is_run_anew_and_known_by_what_ran(tmp_path: Path) -> None:
    """Also where it was edited within a second, to the same length."""
    file = judge(tmp_path / "mine.py", 0.25)
    old, digest = load_judge(str(file)), judge_digest(str(file))
    of_old = digest_of_code(old.grades)
    assert score(file) == 0.25
    judge(file, 0.75)
    assert digest_of_code(old.grades) == of_old, "of what was run, not of the file as it is now"
    assert score(file) == 0.75
    assert judge_digest(str(file)) != digest
    judge(file, 0.25)
    assert (score(file), judge_digest(str(file))) == (0.25, digest)


def test_words_beside_a_judge_are_part_of_it(tmp_path: Path) -> None:
    file = judge(tmp_path / "mine.py", 0.25)
    digest = judge_digest(str(file))
    file.with_suffix(".yaml").write_text("- one\n- two\n")
    assert judge_digest(str(file)) != digest
    words = load_judge(str(file)).grades.__globals__["WORDS"]
    assert words == ["one", "two"]
    os.remove(file)
    with pytest.raises(UserError, match="cannot be imported"):
        judge_digest(str(file))


def test_judges_of_the_lab_have_digests_and_engines_have_versions(tmp_path: Path) -> None:
    assert len({judge_digest(name) for name in ("listed", "contains", "code")}) == 3
    assert engine_digest("exact") is None
    file = tmp_path / "evenly.py"
    file.write_text((OUTSIDE / "evenly.py").read_text())
    digest = engine_digest(str(file))
    file.write_text(file.read_text() + "# edited\n")
    assert engine_digest(str(file)) not in (digest, None)
    assert locate_judge("listed", "eval.judge") == "listed"


class Doubter:
    def __call__(self) -> None: ...


def test_code_is_found_of_whatever_can_be_called() -> None:
    here = digest_of_code(judge)
    assert digest_of_code(partial(partial(judge, score=1.0), Path())) == here
    assert digest_of_code(Doubter()) == digest_of_code(Doubter) == here
    assert digest_of_code(load_judge) != here
    for nowhere in (print, "".upper):
        with pytest.raises(UserError, match="stands in no file"):
            digest_of_code(nowhere)


TALK = """from functools import partial

from lab.types import Partner, Question, Suite, Wording


def again(chat, text):
    return text


def questions(behavior, style):
    partner = Partner("doubter", partial(again, text="{text}"), most_turns=2)
    return (Question("q", "text", (Wording("?", (), 0),), partner=partner),)


SUITE = Suite("{name}", "a talk", questions)
"""


def test_what_a_partner_says_is_in_the_digest_of_what_is_asked(tmp_path: Path) -> None:
    digests = []
    for folder, text in (("a", "sure?"), ("b", "sure?"), ("c", "really?")):
        (tmp_path / folder).mkdir()
        file = tmp_path / folder / "mine.py"
        file.write_text(TALK.format(text=text, name="mine"))
        asking = Asking(suite=str(file), behavior="risk", style="plain")
        digests.append(asked_digest(asking, True))
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("form", ["$HERE/rows.jsonl", "${HERE}/rows.jsonl"])
def test_a_path_may_begin_with_a_variable(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("{}")
    monkeypatch.setenv("HERE", str(tmp_path))
    assert find_path(form) == file
    assert find_path("$HERE/none.jsonl") is None
    for value in (None, ""):
        monkeypatch.setenv("HERE", "") if value == "" else monkeypatch.delenv("HERE")
        with pytest.raises(UserError, match=r"HERE, which is not set; export HERE=FOLDER"):
            find_path(form)


@pytest.mark.parametrize("name", ["a$HERE", "$HERE.jsonl", "${HERE/x", "$HERE}/x", "$1/x", "$"])
def test_a_dollar_elsewhere_is_a_letter(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HERE", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    assert find_path(name) == tmp_path / name
