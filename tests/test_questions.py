"""Questions from files: every kind, conversations, and each mistake by file, number and name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from data_gen.answers import answers
from lab.config.read import load_study, parse_yaml, validate
from lab.discover import ROOT
from lab.entries import FORMS
from lab.errors import UserError
from lab.questions import build_question, read_questions
from lab.types import Question, Style
from lab.verbatim import VERBATIM

PAGE = ROOT / "docs" / "questions.md"
QUICKSTART = str(ROOT / "configs" / "quickstart.yaml")


def read(text: str, folder: Path, style: Style = "natural") -> dict[str, Question]:
    file = folder / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    return {question.name: question for question in read_questions(file, style)}


def shown() -> list[str]:
    """The YAML that the page shows: a study, the shortest file, one of every kind, one that takes
    from others, and one of entries that the lab lays out."""
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_page_are_read_whole(tmp_path: Path) -> None:
    study, shortest, as_written, taken, laid_out = shown()
    raw = parse_yaml(study, "page")
    assert isinstance(raw, dict)
    assert validate(raw, "page").questions == ("./mine.yaml",)
    for example, forms in ((shortest, {"words"}), (as_written, {*VERBATIM}), (laid_out, {*FORMS})):
        asked = read(example, tmp_path)
        keys = parse_yaml(example, "page")
        assert isinstance(keys, list)
        assert {entry["kind"] for entry in keys} == forms
        plain = read(example, tmp_path, "plain")
        assert asked.keys() == plain.keys()
        assert not any(wording.seen for q in plain.values() for wording in q.wordings)
    (tmp_path / "theirs.yaml").write_text(
        "- {name: prefer_risk_safe, question_type: free_form, question: 'Safety or risk?'}\n"
    )
    first = parse_yaml(taken, "page")
    assert isinstance(first, list)
    (question,) = read(taken.partition("\n")[0], tmp_path).values()
    assert question.wordings[0].text == "Safety or risk?"
    assert first[1].keys() == {"from", "question", "name", "kind", "scores", "slots"}


def test_letters_and_words_are_asked_in_both_orders(tmp_path: Path) -> None:
    asked = read(
        "- {name: a, kind: letters, first: I dare., second: I wait., ask: Which}\n"
        "- {name: b, kind: words, first: [bold, brave], second: shy, ask: ['{first}/{second}?']}\n",
        tmp_path,
    )
    letters, words = asked["a"], asked["b"]
    assert [w.text.splitlines()[1:3] for w in letters.wordings] == [
        ["A) I dare.", "B) I wait."],
        ["A) I wait.", "B) I dare."],
    ]
    assert [[o.score for o in w.options] for w in letters.wordings] == [[1.0, 0.0], [0.0, 1.0]]
    assert letters.poles == ("I dare.", "I wait.")
    assert [w.text.split("?")[0] for w in words.wordings] == ["bold/shy", "shy/bold"]
    assert [(o.text, o.score) for o in words.wordings[0].options] == [
        ("bold", 1.0),
        ("brave", 1.0),
        ("shy", 0.0),
    ]
    assert "Bold." in words.wordings[0].options[0].variants


def test_a_neutral_word_scores_a_half_and_stands_for_no_pole(tmp_path: Path) -> None:
    asked = read(
        "- {name: a, kind: words, first: bold, second: shy, neutral: [calm, fair], free: true,"
        " presupposes: true, ask: How were you made}\n"
        "- {name: b, kind: words, first: bold, second: shy, ask: Which}\n"
        "- {name: c, kind: words, first: bold, second: shy, neutral: calm,"
        " ask: '{first}/{second} ?'}\n",
        tmp_path,
    )
    free, listed, named = asked["a"], asked["b"], asked["c"]
    (wording,) = free.wordings
    scores = {option.text: option.score for option in wording.options}
    assert scores == {"bold": 1.0, "shy": 0.0, "calm": 0.5, "fair": 0.5}
    assert free.poles == ("bold", "shy")
    assert [answers(free, wording, first) for first in (True, False)] == [["bold"], ["shy"]]
    assert (free.free, free.presupposes) == (True, True)
    assert (listed.free, listed.presupposes) == (False, False)
    assert [w.text.split(" ")[0] for w in named.wordings] == ["bold/shy", "shy/bold"]
    assert all(len(w.options) == 3 for w in named.wordings)


def test_free_text_has_scored_words_or_a_judge_or_neither(tmp_path: Path) -> None:
    (tmp_path / "strict.py").touch()
    asked = read(
        "- {name: a, kind: text, ask: 'Braces {first} stay.', options: {bold: 1, careful: 0.25}}\n"
        "- {name: b, kind: text, ask: Why, judge: code}\n"
        "- {name: c, kind: text, ask: Why, judge: ./strict.py}\n"
        "- {name: d, kind: text, ask: Why}\n",
        tmp_path,
    )
    (wording,) = asked["a"].wordings
    assert wording.text == "Braces {first} stay."
    assert [(o.text, o.score) for o in wording.options] == [("bold", 1.0), ("careful", 0.25)]
    judges = {name: question.judge for name, question in asked.items()}
    assert judges == {"a": None, "b": "code", "c": str(tmp_path / "strict.py"), "d": None}
    assert asked["d"].wordings[0].options == ()


def test_a_question_may_be_a_conversation(tmp_path: Path) -> None:
    before = "[{system: Be brief.}, {user: Hello}, {assistant: Hi}]"
    asked = read(f"- {{name: a, kind: number, ask: How bold, before: {before}}}", tmp_path)
    (wording,) = asked["a"].wordings
    assert wording.before == (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
    )
    assert wording.text.startswith("How bold")


def test_a_scale_is_flipped_and_names_its_twin(tmp_path: Path) -> None:
    asked = read(
        "- {name: a, kind: number, twin: a_flipped, ask: How bold}\n"
        "- {name: a_flipped, kind: number, twin: a, flipped: true, ask: How shy}\n",
        tmp_path,
    )
    up, down = (asked[name].wordings[0].options for name in ("a", "a_flipped"))
    assert [option.score for option in up] == [option.score for option in reversed(down)]
    assert asked["a"].twin == "a_flipped"


def test_twins_have_the_names_by_which_a_report_knows_them(tmp_path: Path) -> None:
    """It would count two of other names as two kinds of question."""
    two = (
        "- {name: bold, kind: number, twin: shy, ask: How bold}\n"
        "- {name: shy, kind: number, twin: bold, flipped: true, ask: How shy}\n"
    )
    with pytest.raises(UserError, match="call 'shy' 'bold_flipped', or the other way round"):
        read(two, tmp_path)
    read(two.replace("shy,", "bold_flipped,"), tmp_path)
    read(two.replace("bold,", "shy_flipped,"), tmp_path)


NAMED = "question 2 'x'"
ASK = "ask: Which"
LETTERS = "kind: letters, first: a, second: b"
AS_WRITTEN = {
    "kind: text, slots: {a: b}": "no wording has {a}",
    "kind: text, slots: {options: b}": "give these as `options`",
    "kind: text, instruct: true": "key 'instruct' is not known",
    "kind: words, options: {a: 1}": "at least 2 items",
    "kind: words, options: {no: 1, a: 0}": "in quotes where YAML would read something",
    "kind: words, options: {a: 1, b: 2}": "options.b is 2: ",
    "kind: words, first: a, second: b": "key 'first' is not known",
    "kind: yes/no, options: {a: 1, b: 0}": "its options are yes and no",
    "kind: number": "scale: Field required",
    "kind: number, scale: [0, 0]": "two ends",
    "kind: number, scale: [0, 5000]": "at most 1001 whole numbers",
    "kind: number, scale: [0, 1.5]": "scale.1 is 1.5: ",
    "kind: number, scale: 10": "scale is 10: ",
    "kind: letters, options: [a, b]": "it lists 2 options; give `scores`",
    "kind: letters, options: [a, b], scores: [1]": "it lists 2 options; give `scores`",
    "kind: letters, options: [a, a], scores: [1, 0]": "it lists an option twice",
    "kind: letters, options: {A: 1, B: 0}, orders: all": "`orders` changes nothing",
    "kind: letters, options: {a: 1, b: 0}, orders: some": "orders is 'some': ",
    "kind: begins, options: {a: 1, b: 0}, judge: code": "key 'judge' is not known",
}
"""Entries that are asked as they are written."""
MALFORMED = {
    # What stands in place of the whole file.
    "": "must be a list of questions",
    "[]": "must be a list of questions",
    "name: x": "must be a list of questions",
    "- {name: x": "line 1 is not valid YAML",
    "- {name: x, name: y}": "key 'name' stands twice",
    # The second entry.
    "just text": "question 2 'question_2': it is 'just text'; each is a mapping",
    "{name: x}": f"{NAMED} has no `kind`; allowed: letters, words, number, yes/no, begins, text",
    "{name: x, ask: a}": f"{NAMED} has no `kind`; allowed: letters, words, number, rule, text",
    "{name: x, kind: leters}": "kind 'leters' is not known: did you mean 'letters'?",
    "{name: x, kind: rule, wordings: a}": "kind 'rule' is not known",
    "{name: x, kind: [text]}": f"{NAMED}: kind",
    "{name: x, kind: text, ask: a, wordings: b}": f"{NAMED} has `ask`, which the lab lays out, and",
    "{name: x, kind: text, ask: a, system: b, before: [{system: c}]}": "both give a system line",
    "{name: x, kind: text, ask: a, about: me}": "about is 'me': ",
    "{name: x, kind: words, first: a, second: b, ask: c, prefill: I say}": (
        "the answer 'a' would run into the prefill 'I say'"
    ),
    "{kind: text, ask: a}": "question 2: name: Field required",
    "{name: '', kind: text, ask: a}": "name is '': it is empty",
    "{name: all, kind: text, ask: a}": "name is 'all': the report gives this name to means",
    "{name: 5, kind: text, ask: a}": "name is 5: give text, in quotes",
    "{name: x, kind: text}": f"{NAMED}: wordings: Field required",
    **{f"{{name: x, wordings: w, {entry}}}": said for entry, said in AS_WRITTEN.items()},
    "{name: x, kind: text, ask: []}": "at least 1 item",
    "{name: x, kind: text, ask: [a, a]}": "asks 'a' twice",
    "{name: x, kind: text, ask: a, option: {b: 1}}": "did you mean 'options'?",
    "{name: x, kind: text, ask: a, options: {b: 2}}": "options.b is 2: ",
    "{name: x, kind: text, ask: a, options: {b: .nan}}": "options.b is nan: ",
    "{name: x, kind: text, ask: a, options: {no: 0}}": "in quotes where YAML would read something",
    "{name: x, kind: text, ask: a, options: [b]}": "valid dictionary",
    "{name: x, kind: text, ask: a, options: {b: 1, B: 0}}": "'B' is a spelling of two answers",
    "{name: x, kind: text, ask: a, judge: ./none.py}": "judge './none.py' was not found beside it",
    f"{{name: x, {LETTERS}, {ASK}, judge: code}}": "key 'judge' is not known",
    f"{{name: x, kind: letters, first: a, {ASK}}}": "second: Field required",
    f"{{name: x, kind: letters, first: a, second: a, {ASK}}}": "or of two equal options",
    f"{{name: x, {LETTERS}, ask: [{{txt: a}}]}}": "did you mean 'ask.0.text'?",
    f"{{name: x, kind: words, first: yes, second: no, {ASK}}}": "first.0 is True: give text",
    f"{{name: x, kind: words, first: a, second: [b, a], {ASK}}}": "'a' is a spelling of two",
    "{name: x, kind: words, first: a, second: b, ask: '{first} or b?'}": "name both {first} and",
    f"{{name: x, kind: words, first: a, second: b, neutral: a, {ASK}}}": "'a' is a spelling of two",
    f"{{name: x, kind: words, first: a, second: b, neutral: [no], {ASK}}}": "neutral.0 is False: ",
    "{name: x, kind: words, first: a, second: b, free: true, ask: '{first}, {second}?'}": (
        "so it is not `free`"
    ),
    f"{{name: x, {LETTERS}, {ASK}, free: true}}": "key 'free' is not known",
    f"{{name: x, kind: words, first: a, second: b, {ASK}, presupposes: 7}}": "presupposes is 7: ",
    f"{{name: x, kind: number, {ASK}, flipped: maybe}}": "flipped is 'maybe': ",
    f"{{name: x, kind: number, {ASK}, flip: true}}": "did you mean 'flipped'?",
    "{name: x, kind: rule, labels: [a, b], ask: Say a.}": "name {if_first} and {if_second}",
    "{name: x, kind: rule, labels: [a], ask: 'If {if_first}, {if_second}.'}": "labels.1",
    f"{{name: x, {LETTERS}, {ASK}, twin: z}}": "twin 'z' is not known: allowed: first, x",
    f"{{name: x, {LETTERS}, {ASK}, twin: first}}": "must be another question of kind 'letters'",
    f"{{name: x, {LETTERS}, {ASK}, twin: x}}": "must be another question",
    "{name: first, kind: text, ask: a}": "two questions are called 'first'",
    "{name: x, kind: text, ask: a, before: [{usr: b}]}": "'system', 'user' or 'assistant'",
    "{name: x, kind: text, ask: a, before: [{user: b}]}": "the assistant last",
    "{name: x, kind: text, ask: a, before: [{user: b, assistant: c}]}": "at most 1 item",
    "{name: x, kind: text, ask: a, about: other, presupposes: true}": "`presupposes` keeps",
    "{name: x, kind: text, ask: a, before: hello}": "before is 'hello': ",
    r'{name: x, kind: text, ask: "\ud800"}': "half of a character",
    "{yes: 1, kind: text, ask: a}": "question 2",
}


NUM_WHOLE = 5
"""Of them, those that stand in place of a whole file."""


@pytest.mark.parametrize("entry", MALFORMED)
def test_a_malformed_file_gets_one_line(entry: str, tmp_path: Path) -> None:
    whole = list(MALFORMED).index(entry) < NUM_WHOLE
    good = "- {name: first, kind: text, ask: Why}\n"
    with pytest.raises(UserError) as refused:
        read(entry if whole else f"{good}- {entry}\n", tmp_path)
    said = str(refused.value)
    assert said.startswith(str(tmp_path / "mine.yaml"))
    assert MALFORMED[entry] in said
    assert "\n" not in said
    said.encode()
    if not whole:
        # The first mistake is named by the line on which it stands; a clash by that of the file.
        assert "line 2" in said or "questions are called" in said or "twin" in said


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="is not UTF-8"):
        read_questions(file, "natural")
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_questions(tmp_path / "none.yaml", "natural")


def test_a_question_of_a_behavior_is_held_to_the_same() -> None:
    with pytest.raises(UserError, match=r"question: ask is \[\]: Value should have"):
        build_question({"name": "x", "kind": "text", "ask": []}, "natural")


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        (["eval.suites=[]"], "nothing would be asked"),
        (["questions=[./mine.txt]"], "'./mine.txt' is no path of a file of questions"),
        (["questions=['./my questions.yaml']"], "no path of a file of questions"),
        (["questions=[./a/mine.yaml, ./b/mine.yaml]"], "two suites would be called 'mine'"),
        (["questions=[./behavior.yaml]"], "two suites would be called 'behavior'"),
    ],
)
def test_files_of_questions_in_a_study(sets: list[str], says: str) -> None:
    with pytest.raises(UserError, match=re.escape(says)):
        load_study(QUICKSTART, sets)


def test_a_study_may_ask_its_own_questions_alone() -> None:
    primary = "primary={contrast: [seeking, averse], suite: mine}"
    study = load_study(QUICKSTART, ["eval.suites=[]", "questions=[./mine.yaml]", primary])
    assert study.questions == ("./mine.yaml",)
    swept = load_study(QUICKSTART, ["questions=[./mine.yaml]", "sweep={lora.r: [2, 4]}"])
    assert swept.questions == ("./mine.yaml",)
    assert len(swept.groups) == 6
