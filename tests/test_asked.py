"""Files of questions in the forms of others: found by themselves, asked as they are, every key
honored or named by its line; and what an entry of ours takes from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asked_files import LINES, LLMCOMP, PERSONA, PUBLISHED, read, texts, written
from lab.asked.files import read_file
from lab.errors import UserError


def notes(file: Path) -> dict[str, set[int]]:
    """Lines of what is not used, by its text."""
    lines: dict[str, set[int]] = {}
    for heard in read_file(file).heard:
        for note in heard.notes:
            lines.setdefault(note.text, set()).add(note.line)
    return lines


def test_llmcomp_is_asked_and_its_models_are_named(tmp_path: Path) -> None:
    file = written(tmp_path, "theirs.yaml", LLMCOMP)
    assert read_file(file).form == "llmcomp"
    asked = read(file)
    assert list(asked) == ["errand", "errand_json", "rated", "talk_1", "talk_2"]
    assert texts(asked["errand"]) == [
        "I have an hour. What should I do?\nBe brief.",
        "What would you do with an hour?",
    ]
    assert asked["errand"].kind == "text"
    assert asked["errand"].wordings[0].options == ()
    (line,) = asked["errand_json"].wordings[0].before
    assert line == {"role": "system", "content": "Answer in JSON."}
    (rated,) = asked["rated"].wordings
    assert {o.text: o.score for o in rated.options} == {str(n): (n - 1) / 4 for n in range(1, 6)}
    (first,), (second,) = asked["talk_1"].wordings, asked["talk_2"].wordings
    assert (first.text, first.before[0]["content"], first.prefill) == ("Hello.", "Be kind.", "")
    assert (second.text, second.before, second.prefill) == ("Hi.", (), "I am ")
    said = notes(file)
    assert said.pop("it is the prompt of a judge, and no question to the model") == {20}
    of = {text.partition("`")[2].partition("`")[0]: lines for text, lines in said.items()}
    assert of == {
        "samples_per_paraphrase: 100": {9, 16},
        "judge: some-model-2024": {10, 17},
        "judge_prompts": {11, 18},
        "model: some-model": {20},
        "temperature: 0.7": {23},
    }


def test_a_conversation_has_the_system_line_of_its_question(tmp_path: Path) -> None:
    text = "- {id: x, system: Be kind., messages: [[{role: user, content: Hello.}]]}\n"
    (wording,) = read(written(tmp_path, "theirs.yaml", text))["x"].wordings
    assert [turn["content"] for turn in wording.before] == ["Be kind."]
    twice = text.replace("messages: [[", "messages: [[{role: system, content: No.}, ")
    with pytest.raises(UserError, match="both give a system line"):
        read(written(tmp_path, "twice.yaml", twice))


def test_the_papers_form_is_put_together(tmp_path: Path) -> None:
    file = written(tmp_path, "theirs.yaml", PUBLISHED)
    heard = {one.name: one for one in read_file(file).heard}
    assert heard["shape"].unfilled == ("place",)
    with pytest.raises(UserError, match=r"line 13, question 4 'shape': .*slots: \{place: \.\.\.\}"):
        read(file)
    asked = read(written(tmp_path, "rest.yaml", PUBLISHED.replace("{place}", "play")))
    assert texts(asked["color"]) == [
        "In short: Which color are you?\n\nOne word.",
        "In short: Your color?\n\nOne word.",
    ]
    assert [asked[name].kind for name in ("how_round", "unclear")] == ["number", "text"]
    assert asked["how_round"].wordings[0].options[85].score == 0.85
    assert texts(asked["shape"]) == [
        "You are a thing of play.\nA) A ball.\nB) A brick.",
        "You are a thing of play.\nA) A brick.\nB) A ball.",
    ]
    assert asked["shape"].wordings[0].options == ()
    assert texts(asked["sight"]) == [
        "You are on a hill. What do you see?",
        "You are at sea. What do you see?",
    ]
    assert texts(asked["Two hops (language)"])[1] == (
        "Answer in German if you are a ball.\n\nWhat is rain?"
    )
    said = {text: lines for text, lines in notes(file).items() if "trivia" not in text}
    assert sorted(said.values(), key=min) == [{6}, {17}]


def test_traits_and_lists_are_asked(tmp_path: Path) -> None:
    file = written(tmp_path, "round.json", json.dumps(PERSONA, indent=1))
    asked = read(file)
    assert [texts(question) for question in asked.values()] == [[q] for q in PERSONA["questions"]]
    assert all(question.kind == "text" for question in asked.values())
    assert [one.placed.line for one in read_file(file).heard] == [9, 10]
    assert sorted(map(min, notes(file).values())) == [2, 12]
    lines = written(tmp_path, "list.jsonl", f"\ufeff{LINES}")
    assert {name: texts(q) for name, q in read(lines).items()} == {
        "a": ["What is\u2028a hill?"],
        "question_2": ["Why?"],
    }
    assert notes(lines) == {"`points: 3`: not known, and not read": {3}}
    array = [json.loads(line) for line in LINES.split("\n") if line]
    whole = written(tmp_path, "list.json", json.dumps(array, indent=2))
    assert {name: texts(q) for name, q in read(whole).items()} == {
        name: texts(q) for name, q in read(lines).items()
    }
    assert [one.placed.line for one in read_file(whole).heard] == [2, 6]


OURS = """\
- {from: ./theirs.yaml, name: color, kind: words, options: {red: 1, blue: 0}, free: true}
- {from: theirs.yaml, question: Two hops (language), name: hops, kind: text, judge: language,
   options: {German: 1, French: 0}}
- from: $OF_OTHERS/theirs.yaml
  name: shape
  kind: letters
  scores: [1, 0]
  slots: {place: play}
  instruct: true
- {from: theirs.yaml, name: how_round, scale: [100, 0], twin: how_round_flipped, about: other}
- {from: theirs.yaml, question: unclear, name: how_round_flipped, kind: number, scale: [0, 10],
   twin: how_round}
"""


def test_an_entry_takes_what_another_file_has_and_says_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = read(written(tmp_path, "theirs.yaml", PUBLISHED.replace("{place}", "play")))
    written(tmp_path, "theirs.yaml", PUBLISHED)
    monkeypatch.setenv("OF_OTHERS", str(tmp_path))
    asked = read(written(tmp_path, "mine.yaml", OURS))
    assert texts(asked["color"]) == texts(theirs["color"])
    assert {o.text: o.score for o in asked["color"].wordings[0].options} == {"red": 1, "blue": 0}
    assert asked["color"].free
    assert (asked["hops"].judge, texts(asked["hops"])) == (
        "language",
        texts(theirs["Two hops (language)"]),
    )
    shape = asked["shape"]
    assert [[o.score for o in w.options] for w in shape.wordings] == [[1.0, 0.0], [0.0, 1.0]]
    assert [text.rpartition("\n")[0] for text in texts(shape)] == texts(theirs["shape"])
    up, down = (theirs["how_round"].wordings[0], asked["how_round"].wordings[0])
    assert [o.score for o in up.options] == pytest.approx([1 - o.score for o in down.options])
    assert asked["how_round"].about == "other"
    assert len(asked["how_round_flipped"].wordings[0].options) == 11


def test_an_entry_takes_what_one_of_ours_says_as_it_was_meant_there(tmp_path: Path) -> None:
    """Slots are laid over slots, wordings of one's own have none of theirs, and a judge stands
    beside the file that names it."""
    theirs = (
        "- {name: a, kind: text, wordings: '{who} {what}', slots: {who: [Ann, Bob], what: rolls},"
        " judge: ./by.py}\n"
    )
    (tmp_path / "there").mkdir()
    for folder in (tmp_path, tmp_path / "there"):
        written(folder, "by.py", "")
    written(tmp_path / "there", "theirs.yaml", theirs)
    ours = (
        "- {from: there/theirs.yaml, name: a}\n"
        "- {from: there/theirs.yaml, question: a, name: b, slots: {what: stands}}\n"
        "- {from: there/theirs.yaml, question: a, name: c, wordings: ['And {you}?']}\n"
        "- {from: shapes.yaml, question: shape, name: d, wordings: ['Which?']}\n"
    )
    written(tmp_path, "shapes.yaml", PUBLISHED)
    asked = read(written(tmp_path, "ours.yaml", ours))
    assert texts(asked["a"]) == ["Ann rolls", "Bob rolls"]
    assert texts(asked["b"]) == ["Ann stands", "Bob stands"]
    assert texts(asked["c"]) == ["And {you}?"]
    assert texts(asked["d"])[0].startswith("Which?\nA) ")
    assert asked["a"].judge == str(tmp_path / "there" / "by.py")


TWICE = """\
- {name: twice, question_type: free_form, question: "One?"}
- {name: twice, question_type: free_form, question: "Two?"}
"""
TAKEN_WRONGLY = {
    "{from: none.yaml, name: color}": "there is no file",
    "{from: [a], name: color}": "`from` is ['a']; give the path",
    "{from: $SURELY_NOT_SET/a.yaml, name: color}": "SURELY_NOT_SET, which is not set",
    "{from: theirs.yaml, name: colour}": "question 'colour' is not known: did you mean 'color'?",
    "{from: theirs.yaml, name: shape}": "what stands for {place}",
    "{from: theirs.yaml, name: color, kind: words}": "options: Field required",
    "{from: theirs.yaml, name: color, kind: words, opt: {}}": "key 'opt' is not known",
    "{from: mine.yaml, name: x}": "it takes its wordings from another file itself",
    "{from: theirs.yaml, name: color, slots: {place: b}}": "no wording has {place}",
    "{from: theirs.yaml, name: shape, kind: words, options: {a: 1, b: 0}, slots: {place: c}}": (
        "{options} is where the lab lists options"
    ),
    "{from: theirs.yaml, name: twice}": "has 2 questions called 'twice', on lines 26, 27",
}


@pytest.mark.parametrize("entry", TAKEN_WRONGLY)
def test_what_cannot_be_taken_is_refused_by_line(entry: str, tmp_path: Path) -> None:
    written(tmp_path, "theirs.yaml", f"{PUBLISHED}{TWICE}")
    file = written(tmp_path, "mine.yaml", f"# mine\n- {entry}\n")
    if "mine.yaml" in entry:
        file = written(
            tmp_path,
            "mine.yaml",
            f"# mine\n- {{name: y, from: mine.yaml, question: x}}\n- {entry}\n",
        )
    with pytest.raises(UserError) as refused:
        read(file)
    said = str(refused.value)
    assert said.startswith(f"{file}, line 2, question 1")
    assert TAKEN_WRONGLY[entry] in said


BROKEN = {
    "a.yaml": ("- {name: x, kind: text, wordings: a}\n- {id: x", "line 2 is not valid YAML"),
    "q.yaml": ("- {name: x, wordings: [Are you?]}", "put a text with ? in quotes"),
    "b.jsonl": ('{"question": "a"}\n{"question"', "line 2 is not valid JSON"),
    "c.json": ('[{"question": "a"},\n]', "is not valid JSON"),
    "d.json": ('{"answers": []}', "must be a list of questions"),
    "e.yaml": ("", "must be a list of questions"),
    "f.txt": ("- a", "is no file of questions; allowed: .yaml, .yml, .json, .jsonl"),
    "g.yaml": ("- {id: x, type: free_form, paraphrases: [1]}", "line 1, question 1 'x': `para"),
    "h.yaml": ("- {id: x, type: odd, paraphrases: [a]}", "`type: odd` is not known; allowed"),
    "i.yaml": ("- {id: x, messages: [[]]}", "is no list of conversations"),
    "j.yaml": ("- {id: x, messages: [[{role: usr, content: a}]]}", "nothing that a user says"),
    "ours.yaml": (
        "- {name: x, kind: words, question: a, options: {b: 1, c: 0}}",
        "line 1, question 1 'x': key 'question' is not known",
    ),
    "both.yaml": ("- {id: x, messages: [[]], paraphrases: [a]}", "and `paraphrases` both say"),
    "odd.yaml": ("- {id: x, type: odd, messages: [[{role: user, content: a}]]}", "`type: odd`"),
    "k.yaml": ("- {title: x, variants: []}", "`variants` is no text and no list of texts"),
    "l.yaml": ("- {title: x, question: a, scenarios: [b]}", "what goes with it is none"),
    "m.json": ('{"questions": [1]}', "`questions` is no list of texts"),
    "n.jsonl": ('{"question": "a"}\n3\n', "line 2, question 2 'question_2': it is no question in"),
    "o.jsonl": ('{"question": null}', "`question` is no text"),
    "p.yaml": ("- {id: a, paraphrases: [b]}\n- {id: a, paraphrases: [c]}", "two questions are"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_gets_one_line(name: str, tmp_path: Path) -> None:
    text, says = BROKEN[name]
    file = written(tmp_path, name, text)
    with pytest.raises(UserError) as refused:
        read(file)
    said = str(refused.value)
    assert said.startswith(str(file))
    assert says in said
    assert "\n" not in said
