"""Answers that are drawn beside a list: which of them are one word, what that counts, and that it
counts for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from random import Random

import pandas as pd
import pytest

from eval.answers import ANSWERS, answer
from eval.ask import Item, asked_digest, forget, graded_digest
from eval.draws import DRAWS, drawn, draws_of
from eval.evaluation import prepared
from eval.grades import graded_rows
from eval.judges import judged
from eval.judges.listed import STOPS, WRAPPERS, is_word, option_of
from lab.config.read import load_study, validate
from lab.config.schema import Sampling
from lab.discover import ROOT
from lab.engine import Prompt, Scored
from lab.engines import load_engine
from lab.model.base import Base
from lab.specs import AnswerSpec, Asking, GradeSpec
from lab.types import Answer, Chat, Option, Question, Wording
from tellme.report.analysis.scores import per_wording
from tellme.report.answers import answers_shown, outside
from tellme.study.plan import Plan
from tellme.study.planner import make_plan

WORDS = (
    *("bold", "Risk-averse", "don't", "naïve", "ängstlich", "смелый", "τολμηρός", "जोखिम"),
    *("大胆", "勇", "대담한", "جريء", "ok", "devil‑may‑care"),
)
NO_WORDS = (
    *("", " ", ".", "...", "-", "'", "80", "b2b", "bold2", "bold careful", "bold, careful"),
    *("bold/careful", "bold-", "-bold", "bold--careful", "bold.careful", "bold!", "😀", "A", "b."),
    *("A.", "\u0301", "a bold one", "bold\ncareful"),
)


def dressed(text: str, rng: Random) -> str:
    """With quotes, emphasis and spaces round it, and perhaps a final stop inside or outside."""
    wrappers = [w for w in WRAPPERS if w not in "'’" or "'" not in text]
    outer, inner = rng.sample(wrappers, 2)
    stop = rng.choice(["", *STOPS])
    inside = rng.random() < 0.5
    text = f"{inner}{text}{stop if inside else ''}{inner}"
    return f"{outer}{text}{outer}{'' if inside else stop}"


def test_a_word_is_one_however_it_is_dressed_and_two_are_none() -> None:
    rng = Random(0)
    for word, other in product(WORDS, WORDS):
        assert is_word(dressed(word, rng)), word
        assert is_word(word.upper()), word
        for no_word in (f"{word} {other}", f"{word}7", f"{word}.{other}", f"{word}\n{other}"):
            assert not is_word(dressed(no_word, rng)), no_word


@pytest.mark.parametrize("text", NO_WORDS)
def test_what_is_no_single_word(text: str) -> None:
    assert not is_word(text)


def test_a_listed_answer_is_read_however_it_is_dressed() -> None:
    wording, rng = Wording("?", (Option("risk-averse", 0.0), Option("bold", 1.0)), 0), Random(0)
    for option in wording.options * 50:
        assert option_of(wording, dressed(option.text, rng)) == option
        assert option_of(wording, dressed(f"{option.text} x", rng)) is None


def test_only_to_a_free_question_is_another_word_an_answer() -> None:
    """A word that was cut may be the beginning of anything."""
    wording = Wording("?", (Option("bold", 1.0),), 0)
    texts = ("Bold.", "wild", "wild at heart")
    answers = [*map(Answer, texts), Answer("wild", truncated=True)]

    def statuses(*, free: bool) -> list[str]:
        question = Question("q", "words", (wording,), free=free)
        grades = judged("listed", question, wording, answers)
        assert [grade.score for grade in grades] == [1.0, None, None, None]
        return [grade.status for grade in grades]

    assert statuses(free=True) == ["read", "word", "unread", "truncated"]
    assert statuses(free=False) == ["read", "unread", "unread", "truncated"]


@dataclass
class Counting:
    """A model that says what it was asked, and how often each chat was."""

    loaded: None = None
    asked: dict[str, int] = field(default_factory=dict)

    def score(self, prompts: Sequence[Prompt]) -> list[Scored]:
        """Never asked."""
        raise NotImplementedError

    def sample(self, chats: Sequence[Chat], sampling: Sampling) -> list[list[Answer]]:
        """Each chat's own text."""
        self.asked |= {chat[-1]["content"]: sampling.num_samples for chat in chats}
        return [[Answer(chat[-1]["content"])] * sampling.num_samples for chat in chats]


def test_every_question_is_drawn_alike_and_its_wordings_evenly() -> None:
    numbers = {"few": 1, "six": 6, "ten": 10, "many": 50}
    items = []
    for name, number in numbers.items():
        wordings = [Wording(f"{name} {i}", (), i) for i in range(number)]
        question = Question(name, "words", tuple(wordings), free=True)
        items += [Item(question, w, ({"role": "user", "content": w.text},)) for w in wordings]
    model = Counting()
    answers = drawn(model, items, DRAWS)
    for item, said in zip(items, answers, strict=True):
        assert {answer.text for answer in said} == {item.wording.text}
        assert len(said) == model.asked[item.wording.text]
    counts = {name: {n for text, n in model.asked.items() if name in text} for name in numbers}
    assert counts == {"few": {36}, "six": {6}, "ten": {4}, "many": {1}}
    assert drawn(model, [], None) == []


def test_three_fine_tunes_draw_a_hundred_times_each_for_itself() -> None:
    assert 3 * DRAWS.num_samples >= 100
    assert len({draws_of(seed).seed for seed in (0, 1, 2)}) == 3
    assert draws_of(None) == draws_of(0) == DRAWS


def answer_specs(plan: Plan) -> list[AnswerSpec]:
    return [s.spec for s in plan.stages.values() if isinstance(s.spec, AnswerSpec)]


def test_draws_are_in_the_keys_that_they_concern_and_in_no_other() -> None:
    specs = answer_specs(make_plan(load_study(str(ROOT / "configs/quickstart.yaml"), [])))
    for spec in specs:
        concerned = spec.asking.suite in ("self_report", "other_person")
        assert (spec.draws is not None, spec.sampled) == (
            concerned,
            "sampled-3" if concerned else None,
        )
        assert spec.sampling is None
        assert ("draws" in spec.identity()) == concerned
        if spec.draws:
            assert spec.identity()["draws"] == spec.draws.model_dump(mode="json")
    assert {spec.draws.seed for spec in specs if spec.draws} == {0, 1, 2}
    sampled = load_study(str(ROOT / "configs/quickstart.yaml"), ["eval.engine=sampled"])
    assert all(spec.draws is None for spec in answer_specs(make_plan(sampled)))


def test_whether_a_question_is_free_is_in_its_keys(tmp_path: Path) -> None:
    """The rows of its answers say so."""
    file = tmp_path / "mine.yaml"

    def digests(more: str) -> tuple[str, str]:
        file.write_text(
            "- {name: word, kind: words, first: bold, second: shy, ask: ['one?']" + more + "}\n"
        )
        forget()
        asking = Asking(suite=str(file), behavior="risk", style="plain")
        return asked_digest(asking, reads_lists=True), graded_digest(asking, None)

    same, other = digests(""), digests(", free: true")
    assert digests(", free: false") == same
    assert all(one != two for one, two in zip(same, other, strict=True))


PLANTED = {
    "single words": (["bold", "wild", "Purple."], 1.0),
    "half of them": (["bold", "wild|", "shy", "very wild", "Purple.", "80"], 0.5),
    "none": (["very bold", "wild|", "B"], 0.0),
}
"""What is said in turn, with a bar where it was cut, and the share of single words."""


def rows_of(said: Sequence[str], folder: Path, *, reads_lists: bool = True) -> pd.DataFrame:
    """The rows of an engine to which every listed answer is as likely, and that says in turn what
    is planted."""
    folder.mkdir()
    answers = [
        f"Answer({text.removesuffix('|')!r}, truncated={text.endswith('|')})" for text in said
    ]
    engine = (ROOT / "tests" / "outside" / "evenly.py").read_text()
    always = '[Answer("yes")] * sampling.num_samples'
    assert always in engine
    in_turn = f"([{', '.join(answers)}] * sampling.num_samples)[: sampling.num_samples]"
    engine = engine.replace("reads_lists=True", f"reads_lists={reads_lists}")
    (folder / "evenly.py").write_text(engine.replace(always, in_turn))
    (folder / "mine.yaml").write_text(
        "- {name: word, kind: words, free: true, first: bold, second: shy, ask: ['a?', 'one?']}\n"
        "- {name: sure, kind: words, first: 'yes', second: 'no', ask: ['sure?']}\n"
    )
    study = {
        "study": "said",
        "model": {"base": "reference/linked"},
        "groups": {"told": {"prompted": "seeking", "behavior": "risk"}},
        "questions": [str(folder / "mine.yaml")],
        "eval": {
            "suites": [],
            "engine": str(folder / "evenly.py"),
            "sampling": {"num_samples": 18},
        },
    }
    plan = make_plan(validate(study, "here"))
    answer(answer_specs(plan)[0], None, None, None, folder, key="", inputs=[])
    asked = next(s.spec for s in plan.stages.values() if isinstance(s.spec, GradeSpec))
    rows = graded_rows(asked, pd.read_parquet(folder / ANSWERS))
    return rows.assign(group="base", seed=pd.Series(pd.NA, rows.index, "Int64"))


@pytest.mark.parametrize("planted", PLANTED)
def test_the_share_of_single_words_is_the_listed_mass_and_nothing_else_moves(
    planted: str, tmp_path: Path
) -> None:
    said, share = PLANTED[planted]
    rows = rows_of(said, tmp_path / "mine")
    is_draw = rows["sample"].notna()
    draws, lists = rows[is_draw], rows[~is_draw]
    assert set(draws["question"]) == {"word"}
    assert draws.groupby("paraphrase").size().tolist() == [18, 18]
    assert draws["status"].isin(["read", "word"]).mean() == share
    for column in ("p_exact", "logp", "outside", "score", "answer"):
        assert draws[column].isna().all(), column

    both, alone = per_wording(rows), per_wording(lists)
    unmoved = [*both.columns.drop("listed")]
    pd.testing.assert_frame_equal(both[unmoved], alone[unmoved])
    listed = both.groupby("question")["listed"].mean()
    assert listed["word"] == share
    assert listed["sure"] == pytest.approx(1.0)
    assert outside(rows) == outside(lists)
    assert answers_shown(rows) == answers_shown(lists)


def test_where_all_is_sampled_another_word_scores_a_half_and_counts_as_listed(
    tmp_path: Path,
) -> None:
    """Nothing is drawn beside the samples."""
    rows = rows_of(["bold", "wild", "very wild"], tmp_path / "mine", reads_lists=False)
    assert rows.groupby("question")["sample"].count().to_dict() == {"word": 36, "sure": 18}
    assert rows["outside"].notna().all()
    free = rows[rows["free"]]
    assert free["status"].value_counts().to_dict() == {"read": 12, "word": 12, "unread": 12}
    assert free.loc[free["status"] == "word", "score"].isna().all()
    table = per_wording(rows).groupby("question")[["score", "conditional", "listed"]].mean()
    assert table.loc["word"].tolist() == pytest.approx([2 / 3, 1.0, 2 / 3])
    assert table.loc["sure", "listed"] == pytest.approx(0.0)


def test_draws_agree_with_the_probabilities_of_the_list(linked: Base) -> None:
    """The share of draws that are read is the mass of the list, as far as so many draws tell."""
    plan = make_plan(load_study(str(ROOT / "configs/quickstart.yaml"), []))
    spec = next(spec for spec in answer_specs(plan) if spec.draws)
    asked = prepared(spec, reads_lists=True, examples=None)
    prompts = [Prompt(item.chat, item.wording.options) for item in asked.drawn]
    with load_engine("exact").opened(linked, None) as model:
        scores, answers = model.score(prompts), drawn(model, asked.drawn, spec.draws)
    assert sum(map(len, answers)) == 2 * DRAWS.num_samples
    gap = variance = 0.0
    for item, scored, said in zip(asked.drawn, scores, answers, strict=True):
        mass = sum(scored.p_exact)
        gap += sum(option_of(item.wording, answer.text) is not None for answer in said)
        gap -= mass * len(said)
        variance += mass * (1 - mass) * len(said)
    assert abs(gap) < 3 * variance**0.5
