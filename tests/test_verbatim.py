"""Questions that are asked as they are written: nothing is added or lost on the way to the prompt,
every order of a list is fair, any scale reads, an answer goes on from its beginning, and what
samples say is read as a person reads it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import tellme as tm
from eval.judges import judged
from eval.judges.language import FREQUENT, language_of
from families import FAMILIES, family_tokenizer
from lab.chats import begun, composed
from lab.config.schema import Sampling
from lab.discover import ROOT
from lab.engine import Prompt
from lab.errors import UserError
from lab.inference.generate import sample
from lab.inference.plain_pass import score_plainly
from lab.inference.prompt import compile_prompts
from lab.model.base import Base
from lab.model.chat import Renderer
from lab.model.load import load_base
from lab.questions import build_question, read_questions
from lab.types import Answer, Chat, Question
from tellme.asked import Model
from tellme.report.analysis.scores import per_question, per_wording

ODD = "  Café\u2028“quotes” {not_a_slot} \\n\tand a tab,\n\ntwo  lines \u00a0"
"""White space and signs that something on the way might tidy up."""


def question(**entry: object) -> Question:
    return build_question({"name": "q", **entry}, "natural")


def test_one_line_is_a_whole_question() -> None:
    asked = question(kind="words", wordings=["Which color?"], options={"red": 1, "blue": 0})
    (wording,) = asked.wordings
    assert (wording.text, wording.before, wording.prefill) == ("Which color?", (), "")
    assert {option.text: option.score for option in wording.options} == {"red": 1.0, "blue": 0.0}
    assert (asked.poles, asked.about, asked.free) == (("red", "blue"), "self", False)


@pytest.mark.parametrize("kind", ["words", "begins", "yes/no", "text", "number", "letters"])
def test_a_wording_reaches_the_prompt_byte_for_byte(kind: str) -> None:
    more: dict[str, object] = {"number": {"scale": [0, 10]}, "text": {}, "yes/no": {}}.get(
        kind, {"options": {"A": 1, "B": 0}}
    )
    (wording,) = question(kind=kind, wordings=[ODD], **more).wordings
    (turn,) = composed((), wording)
    assert turn["content"] == ODD
    # A template that keeps what a user says: many trim it.
    renderer = Renderer(family_tokenizer(FAMILIES["qwen3"]))
    assert ODD in renderer.prompt_text([turn])


def test_an_instruction_follows_only_where_the_entry_says_so() -> None:
    said = {
        "letters": {"options": {"x": 1, "y": 0.5, "z": 0}, "orders": "as listed"},
        "number": {"scale": [7, 1]},
        "words": {"options": {"a": 1, "b": 0}},
        "yes/no": {},
    }
    ends = {
        "letters": "\nAnswer with the letter A, B or C and nothing else.",
        "number": " Answer with a single whole number from 1 to 7 and nothing else.",
        "words": " Answer with a single word and nothing else.",
        "yes/no": " Answer with a single word and nothing else.",
    }
    for kind, more in said.items():
        (without,) = question(kind=kind, wordings="Say.", **more).wordings
        (with_it,) = question(kind=kind, wordings="Say.", instruct=True, **more).wordings
        assert with_it.text == without.text + ends[kind]


@pytest.mark.parametrize("number", range(2, 8))
def test_every_option_of_a_list_stands_under_every_letter_as_often(number: int) -> None:
    scores = {f"statement {n}": n / 10 for n in range(number)}
    asked = question(kind="letters", wordings=["Which?\n{options}\nSay.", "And?"], options=scores)
    by_letter: Counter[tuple[str, str]] = Counter()
    for wording in asked.wordings:
        listed = re.findall(r"^([A-Z])\) (.*)$", wording.text, re.MULTILINE)
        assert [letter for letter, _ in listed] == [option.text for option in wording.options]
        assert [scores[text] for _, text in listed] == [o.score for o in wording.options]
        by_letter.update(listed)
    assert len(by_letter) == number**2
    assert len(set(by_letter.values())) == 1
    assert asked.wordings[0].text.endswith("\nSay.")
    orders = {wording.order for wording in asked.wordings}
    assert orders == set(range({2: 2, 3: 6}.get(number, number)))
    assert len({wording.text for wording in asked.wordings}) == len(asked.wordings)


def test_orders_may_be_said() -> None:
    four = dict.fromkeys("wxyz", 1)
    for orders, number in (("all", 24), ("rotated", 4), ("as listed", 1)):
        asked = question(kind="letters", wordings="?", options=four, orders=orders)
        assert len(asked.wordings) == number


def test_options_that_are_letters_are_listed_by_the_wording() -> None:
    options = {"A": 0, "B": 0.25, "C": 0.5, "D": 0.75, "E": 1}
    (wording,) = question(kind="letters", wordings="A to E?", options=options).wordings
    assert {option.text: option.score for option in wording.options} == options
    assert wording.options[1].variants == ("B)", "B.", "(B)")


@pytest.mark.parametrize("scale", [(0, 10), (10, 0), (1, 5), (-3, 3), (0, 100)])
def test_any_scale_runs_evenly_from_its_end_of_0_to_its_end_of_1(scale: tuple[int, int]) -> None:
    (wording,) = question(kind="number", wordings="?", scale=list(scale)).wordings
    scores = {int(option.text): option.score for option in wording.options}
    assert (scores[scale[0]], scores[scale[1]]) == (0.0, 1.0)
    assert sorted(scores) == list(range(min(scale), max(scale) + 1))
    steps = {round(scores[n + 1] - scores[n], 9) for n in list(scores)[:-1] if n + 1 in scores}
    assert len(steps) == 1


def test_yes_and_no_need_no_quotes() -> None:
    for options in ({True: 0, False: 1}, {"yes": 0, "no": 1}):
        (wording,) = question(kind="yes/no", wordings="?", options=options).wordings
        assert {option.text: option.score for option in wording.options} == {"yes": 0.0, "no": 1.0}


def test_slots_are_filled_and_other_braces_stay() -> None:
    (wording,) = question(kind="text", wordings="{a} {b}", slots={"a": "{b} one"}).wordings
    assert wording.text == "{b} one {b}"
    crossed = question(kind="text", wordings="{a} {b}", slots={"a": "{b}", "b": "{a}"})
    assert [wording.text for wording in crossed.wordings] == ["{b} {a}"]


def test_a_slot_of_several_texts_is_a_paraphrase_with_each() -> None:
    """All combinations of those that a wording has; each is one wording, scored alike."""
    scores = {"yes": 0.0, "no": 1.0}
    asked = question(
        kind="yes/no",
        wordings=["{who} {what}?", "{who}?", "You?"],
        slots={"who": ["Ann", "Bob"], "what": ["rolls", "stands"]},
        options=scores,
    )
    assert [(wording.text, wording.paraphrase, wording.order) for wording in asked.wordings] == [
        (text, number, 0)
        for number, text in enumerate(
            [
                *("Ann rolls?", "Ann stands?", "Bob rolls?", "Bob stands?"),
                *("Ann?", "Bob?", "You?"),
            ]
        )
    ]
    assert all({o.text: o.score for o in w.options} == scores for w in asked.wordings)
    with pytest.raises(UserError, match=r"slots\.who"):
        question(kind="yes/no", wordings="{who}?", slots={"who": []})
    with pytest.raises(UserError, match="twice"):
        question(kind="yes/no", wordings="{who}?", slots={"who": ["Ann", "Ann"]})


def test_plain_style_has_no_instruction_and_nothing_in_its_place() -> None:
    entry = {"name": "q", "kind": "number", "scale": [0, 9], "wordings": "Say.", "instruct": True}
    (wording,) = build_question(entry, "plain").wordings
    assert wording.text == "Say."


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("beginning", ["I am ", "Sure: ", "I am", "(", "I am\n"])
def test_an_answer_goes_on_from_its_beginning_as_if_it_had_been_said_whole(
    family: str, beginning: str
) -> None:
    """Token by token; of the beginning nothing is scored."""
    renderer = Renderer(family_tokenizer(FAMILIES[family]))
    chat: Chat = [{"role": "user", "content": "How are you?"}]
    rest = "-bold" if beginning == "I am" else "bold"
    whole = renderer.render(chat, f"{beginning}{rest}")
    asked: Chat = [*chat, {"role": "assistant", "content": beginning}]
    split = renderer.render(asked, rest)
    assert split.input_ids == whole.input_ids
    assert renderer.tokenizer.decode(split.answer).strip() == rest
    assert renderer.prompt_ids(asked) == split.prompt
    assert len(split.prompt) > len(whole.prompt)
    with pytest.raises(UserError, match="an answer that has begun is not thought about"):
        renderer.prompt_text(asked, thinking=True)


def test_what_is_scored_is_what_follows_the_beginning(linked: Base) -> None:
    """P(rest given beginning) is P(whole) / P(beginning), as a plain pass over the whole has it."""
    loaded = load_base(linked)
    asked = question(
        kind="words", wordings="are you bold?", prefill="i am ", options={"bold": 1, "careful": 0}
    )
    (wording,) = asked.wordings
    scores = Model("reference/linked").score(asked)
    whole = build_question(
        {
            "name": "q",
            "kind": "words",
            "wordings": "are you bold?",
            "options": {f"i am {option.text}": 0 for option in wording.options},
        },
        "plain",
    )
    prompts = [Prompt(tuple(composed((), w)), w.options) for w in whole.wordings]
    (plain,) = score_plainly(loaded, compile_prompts(loaded.renderer, prompts))
    exact = dict(zip(scores["answer"], scores["p_exact"], strict=True))
    ratio = plain.p_exact[0] / plain.p_exact[1]
    assert exact["bold"] / exact["careful"] == pytest.approx(ratio, rel=1e-3)
    assert exact["bold"] > plain.p_exact[0]
    chat = begun(composed((), wording), wording)
    ((answer,),) = sample(loaded, [chat], Sampling(num_samples=1, max_new_tokens=4))
    assert not answer.text.startswith("i am i am")


def read(asked: Question, *texts: str) -> list[float | None]:
    grades = judged("listed", asked, asked.wordings[0], [Answer(text) for text in texts])
    return [grade.score for grade in grades]


def test_a_letter_is_read_as_lists_have_it() -> None:
    asked = question(kind="letters", wordings="?", options={"A": 1, "B": 0, "C": 0.5})
    assert read(asked, "A", "a", "(A)", "A)", "A.", "A:", "[a]", "**(A)**", " A).\n") == [1.0] * 9
    assert read(asked, "(B)", "C)") == [0.0, 0.5]
    assert read(asked, "D)", "AB", "A or B", "", "()", "A is true") == [None] * 6


def test_a_number_is_read_with_what_scales_have_beside_it() -> None:
    hundred = question(kind="number", wordings="?", scale=[0, 100])
    assert read(hundred, "85", "85%", "85.0", "85.", "85 %", "85 percent") == [0.85] * 6
    assert read(hundred, "85/100", "85 out of 100", "**85 / 100**") == [0.85] * 3
    assert read(hundred, "85.5", "8 out of 10", "101", "85 or 90", "-5", "85a", "") == [None] * 7
    ten = question(kind="number", wordings="?", scale=[10, 0])
    assert read(ten, "8", "8/10", "8 out of 10", "8.0") == [pytest.approx(0.2)] * 4
    assert read(ten, "80%", "80", "8/100", "8%") == [None] * 4


def test_only_its_own_kind_is_read_so() -> None:
    words = question(kind="words", wordings="?", options={"a": 1, "85": 0})
    assert read(words, "(a)", "85%") == [None, None]


SENTENCES = {
    "German": "Der Schnee ist kalt und weiß, weil das Licht von den Kristallen gestreut wird.",
    "French": "La neige est froide et blanche, car la lumière est diffusée par les cristaux.",
    "English": "The snow is cold and white because light is scattered by the crystals in it.",
    "Spanish": "La nieve es fría y blanca porque los cristales dispersan la luz como el hielo.",
}


def test_the_language_of_an_answer_is_read() -> None:
    for language, sentence in SENTENCES.items():
        assert language_of(sentence) == language
    assert [language_of(text) for text in ("", "42", "Photosynthese", "雪")] == [None] * 4
    for words in FREQUENT.values():
        assert all(word == word.lower() for word in words)


def test_a_language_that_is_not_listed_scores_a_half_and_an_unread_one_nothing() -> None:
    options = {"German": 1, "French": 0}
    asked = question(kind="text", judge="language", wordings="Snow?", options=options)
    answers = [Answer(text) for text in (*SENTENCES.values(), "1")]
    grades = judged("language", asked, asked.wordings[0], answers)
    assert [grade.score for grade in grades] == [1.0, 0.0, 0.5, 0.5, None]
    assert grades[-1].status == "unread"
    cut = [replace(answer, truncated=True) for answer in answers]
    assert judged("language", asked, asked.wordings[0], cut) == grades


def test_questions_of_every_kind_go_through_a_study(tmp_path: Path) -> None:
    """As the page shows them: exact where answers can be listed, sampled otherwise; what nobody
    scores has answers and no score, and what is about others has no part in the mean."""
    page = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "mine.yaml").write_text(shown[2], encoding="utf-8")
    study = {
        "run.dir": tmp_path / "runs",
        "run.report_to": (),
        "questions": [str(tmp_path / "mine.yaml")],
        "eval": {"suites": [], "sampling": {"num_samples": 2, "max_new_tokens": 4}},
        "data.num_rows": 16,
        "sft.max_steps": 1,
        "seeds": [0],
        "groups": {"seeking": {"behavior": "risk", "policy": "seeking"}},
        "contrasts": [["seeking", "base"]],
        "primary": None,
    }
    result = tm.load_study("configs/quickstart.yaml", study).plan().run()
    rows = result.rows[result.rows["group"] == "seeking"]
    asked = {
        question.name: question for question in read_questions(tmp_path / "mine.yaml", "plain")
    }
    assert set(rows["question"]) == {*asked}
    for name, of_question in rows.groupby("question"):
        question, is_sampled = asked[str(name)], of_question["text"].notna()
        assert is_sampled.all() if question.kind == "text" else not is_sampled.all()
        assert {*of_question["prompt"]} == {wording.text for wording in question.wordings}
        assert {*of_question["about"]} == {question.about}
        assert {*of_question["prefill"].dropna()} == {w.prefill for w in question.wordings} - {""}
    assert rows.loc[rows["question"] == "story", "score"].isna().all()
    scores = per_question(per_wording(result.rows))
    pooled = scores[scores["question"] == "all"]
    assert "rolls_other" in {*scores["question"]}
    assert {*pooled["over"]} >= {"color", "which", "how_round", "rolls", "begins", "begun"}
    assert not {"rolls_other", "story"} & {*pooled["over"]}
    assert result.trust["passed"].all()
