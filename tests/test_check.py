"""What a base can be asked: planted knowers and planted habits, what is asked of whom, and the
stage as a user meets it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from eval.check.answers import check_rows, check_spec
from eval.check.asked import Asked, asked_of, check_digest, facts
from lab.config.read import load_model, load_study
from lab.discover import ROOT, beside
from lab.engine import Prompt, Scored
from lab.engines import load_engine
from lab.errors import UserError
from lab.formats import FORMATS, Format, format_of
from lab.model.base import Base
from lab.store.store import Store, read_json
from lab.types import Answer, Option, Style
from tellme.cli import main
from tellme.report.analysis.formats import FormatRecord, formats, of_kinds
from tellme.report.check import read_check
from tellme.report.text import check_lines
from tellme.study.check import check_stage
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.stages import run_in_order

STYLES: tuple[Style, ...] = ("natural", "plain")
Finished = tuple[Plan, Store, Path]
Says = Callable[[Asked, Option], float]
"""How a planted model weighs an option of a prompt."""
LISTED = 0.97
"""Mass on the lists, of planted models that answer in them."""


def knows(asked: Asked, option: Option) -> float:
    """Ten to one for what is right, and near the right end of a scale."""
    return 10.0 ** asked.right(option)


def says_a(asked: Asked, option: Option) -> float:
    return 50.0 if option.text == "A" else 1.0


def says_yes(asked: Asked, option: Option) -> float:
    return 50.0 if option.text == "yes" else 1.0


def first_named(asked: Asked, option: Option) -> float:
    return 50.0 if asked.habitual(option) else 1.0


def one_number(asked: Asked, option: Option) -> float:
    """62, whichever way a scale is asked."""
    return 1e6 if option.text == "62" else 1.0


def one_end(asked: Asked, option: Option) -> float:
    """The first end of every property, whatever is asked about, in any order, on either scale."""
    return 10.0**option.score


def found(
    says: Says,
    of: Sequence[Format] = tuple(FORMATS),
    listed: float = LISTED,
    style: Style = "natural",
) -> dict[Format, FormatRecord]:
    """What is found of a model that answers by `says` in some formats, and in all others knows."""
    asked, scores, drawn = asked_of(style), [], {}
    for number, one in enumerate(asked):
        own = says if one.format in of else knows
        weights = [own(one, option) for option in one.wording.options]
        logs = tuple(math.log(listed * weight / sum(weights)) for weight in weights)
        scores.append(Scored(logs, logs, (("The", 1 - listed),)))
        if one.question.free:
            drawn[number] = [Answer("Hot." if listed > 0.5 else "It is quite hot.")] * 3
    records = formats(check_rows(asked, scores, drawn))
    return {r["format"]: r for r in records if r["condition"] == "clean"}


def words(says: Says, *of: Format, listed: float = LISTED) -> dict[Format, str]:
    """Everything that is not followed, in plain words."""
    records = found(says, of or tuple(FORMATS), listed)
    return {name: r["said"] for name, r in records.items() if r["followed"] != "followed"}


@pytest.mark.parametrize("style", STYLES)
def test_a_model_that_knows_follows_every_format(style: Style) -> None:
    records = found(knows, style=style)
    assert {record["followed"] for record in records.values()} == {"followed"}
    for record in records.values():
        assert record["accuracy"] == 1
        assert record["listed"] == pytest.approx(1 if record["format"] == "free_word" else LISTED)
        assert record["share"] is None or record["share"] == pytest.approx(0.5)
    # In plain style fewer formats are used.
    assert (set(records) == set(FORMATS)) == (style == "natural")


PLANTED: dict[str, tuple[Says, tuple[Format, ...], str]] = {
    "always A": (says_a, ("letters", "code"), "biased: says A to 98%"),
    "always yes": (says_yes, ("yes_no", "begins"), "yes-sayer: says yes to 98%"),
    "the first word": (first_named, ("word_of_two",), "biased: says the first word to 98%"),
    "one label": (first_named, ("rule",), "biased: says the first label to 98%"),
    "one number": (
        one_number,
        ("scale",),
        "anchored: the same number whichever way it is asked (about 62, ",
    ),
    "one end": (one_end, ("free_word", "scale", "word_of_two"), "at chance: accuracy 0.50"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_habit_is_named_where_it_was_planted_and_nowhere_else(fault: str) -> None:
    says, of, said = PLANTED[fault]
    named = words(says, *of)
    assert set(named) == set(of)
    assert all(text.startswith(said) for text in named.values()), named


def test_what_is_not_listed_is_not_followed_whatever_the_list_says() -> None:
    """A model that writes sentences, and within the list knows everything."""
    named = words(knows, listed=0.006)
    free = named.pop("free_word")
    assert set(named.values()) == {"not followed: listed mass 0.006"}
    assert set(named) == set(FORMATS) - {"free_word"}
    assert free == "not followed: listed mass 0.000", "what was drawn is no single word"


def test_a_model_that_knows_the_opposite_follows_nothing() -> None:
    def wrong(asked: Asked, option: Option) -> float:
        return 1 / knows(asked, option)

    right, mirrored = found(knows), found(wrong)
    for name, record in mirrored.items():
        assert record["accuracy"] == 1 - right[name]["accuracy"]
        assert record["followed"] == "below chance"


def test_a_slight_habit_beside_knowledge_is_followed() -> None:
    """Knowledge shows within the pair of orders, though single prompts lean to A."""

    def leans(asked: Asked, option: Option) -> float:
        return knows(asked, option) * (4 if asked.habitual(option) else 1)

    records = found(leans, ("letters", "yes_no"))
    assert {records[name]["followed"] for name in ("letters", "yes_no")} == {"followed"}
    assert 0.55 < float(records["letters"]["share"] or 0) < 0.75


@pytest.mark.parametrize("style", STYLES)
def test_a_habit_is_right_for_half_of_the_facts_and_so_is_an_end(style: Style) -> None:
    counted: Counter[tuple[Format, str]] = Counter()
    for one in asked_of(style):
        best = max(one.wording.options, key=one.right)
        counted[one.format, f"{one.condition}, first"] += 1 if one.first else -1
        habitual = one.habitual(best)
        if habitual is not None:
            counted[one.format, f"{one.condition}, habit"] += 1 if habitual else -1
        if one.format == "scale":
            counted[one.format, f"{one.condition}, up"] += 1 if best.text == "100" else -1
    unbalanced = {key for key, number in counted.items() if number}
    # The right answer to a line of code stands first in one order, and last in the other.
    assert unbalanced == {key for key in counted if key[0] == "code" and "first" in key[1]}


def test_no_wording_goes_with_an_end() -> None:
    """Every wording of a format is put about as many things of the one end as of the other, to
    within one property."""
    counted: Counter[tuple[Format, str]] = Counter()
    for one in asked_of("natural"):
        if one.format != "code" and one.condition == "clean":
            text = one.wording.text.replace(one.item, "").replace(one.item.capitalize(), "")
            counted[one.format, text[:10]] += 1 if one.first else -1
    assert len(counted) > len(FORMATS)
    assert all(abs(number) <= 4 for number in counted.values()), counted


@pytest.mark.parametrize("style", STYLES)
def test_facts_are_of_no_self(style: Style) -> None:
    texts = [one.wording.text.replace("your answer", "") for one in asked_of(style)]
    assert not [text for text in texts if re.search(r"\b(you|your|yourself|I|me|my)\b", text)]


TRAINED = {"ice", "snow", "fire", "snail", "drum", "mouse", "elephant"}
"""Among the things by which rows teach the formats."""


def test_no_thing_is_one_that_rows_teach() -> None:
    taught = ROOT / "data_gen" / "facts.yaml"
    things = set(TRAINED)
    if taught.is_file():
        things |= {bare(text) for text in re.findall(r"[\w ]+", str(beside(str(taught))))}
    own = {bare(fact.thing) for fact, _ in facts()}
    assert len(own) >= 40
    assert not own & things


def bare(thing: str) -> str:
    """Without its article."""
    return re.sub(r"^(a|an|the) ", "", thing.strip())


@pytest.mark.parametrize("style", STYLES)
def test_what_is_asked_is_of_the_format_that_studies_ask(style: Style) -> None:
    """So that what a check says of a format is about the questions of a suite."""
    named = {one.format: format_of(one.question) for one in asked_of(style)}
    assert named.pop("code", "letters") == "letters"
    assert all(name == found for name, found in named.items())
    assert check_digest(style) == check_digest(style)
    assert check_digest("plain") != check_digest("natural")


def test_a_check_reads_lists(linked: Base) -> None:
    with pytest.raises(UserError, match="reads no probabilities of listed answers"):
        check_spec(linked, "sampled")


def test_only_what_is_of_the_base_can_be_set() -> None:
    model, runs = load_model("reference/linked", ["model.dtype=bfloat16", "run.dir=there"])
    assert (model.base, model.dtype, runs) == ("reference/linked", "bfloat16", "there")
    with pytest.raises(UserError, match="'seeds'"):
        load_model("reference/linked", ["seeds=[0]"])
    with pytest.raises(UserError, match=r"did you mean 'model\.dtype'"):
        load_model("reference/linked", ["model.dtipe=float32"])


def test_a_study_reads_the_check_of_its_base(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once in a store: the command finds what the study made, and asks nothing again."""
    plan, store, folder = finished
    (stage,) = (s for s in plan.stages.values() if s.kind == "check")
    base = stage.base
    assert base is not None
    assert stage.key == check_stage(base).key
    made = store.find("check", stage.key)
    assert made
    before = {path: path.stat().st_mtime_ns for path in made.iterdir()}
    assert main(["check", "reference/linked", "--set", f"run.dir={store.root}"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert {path: path.stat().st_mtime_ns for path in made.iterdir()} == before
    assert printed[-1] == f"page: {made}/check.html"
    checked = read_check(made)
    for record in checked["formats"]:
        assert any(re.match(rf"{record['format']} .*{record['said']}$", line) for line in printed)
    assert set(checked["not_asked"]) == {"begins", "code"}
    # It reads what a line says of somebody in every format of its text but rules.
    known = {r["format"] for r in checked["formats"] if r["followed"] == "followed"}
    assert {"letters", "word_of_two", "free_word", "scale", "yes_no"} <= known
    summary = read_json(folder / "summary.json")
    assert {k["kind"]: k["format"] for k in summary["check"]}["statement"] == "letters"
    assert any(t["check"] == "plain_pass:check" and t["passed"] for t in summary["trust"])
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("follows this format") == sum(k["format"] in known for k in summary["check"])


def test_a_page_is_one_file(finished: Finished) -> None:
    _, store, _ = finished
    (page,) = store.root.glob("check/*/check.html")
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    body = text[text.index("<body>") :]
    assert not re.findall(r'(?:src|href)="(?!data:)', body)
    assert body.index("<table>") < body.index('id="follows"') < body.index("What it says")


def test_every_kind_is_quoted_once_and_what_is_not_followed_is_named() -> None:
    asked: dict[str, Format] = {
        "statement": "letters",
        "agree": "yes_no",
        "agree_flipped": "yes_no",
        "love": "scale",
    }
    records = list(found(says_a, ("letters",)).values())
    kinds = of_kinds(asked, records)
    assert [kind["kind"] for kind in kinds] == ["statement", "agree", "love"]
    first, second = check_lines(kinds)
    assert first == "the base follows: yes_no, scale"
    assert second.startswith("the base does not follow: letters (biased: says A to")
    assert second.endswith("which asks statement")
    assert list(check_lines([])) == []


def test_rows_hold_every_prompt() -> None:
    asked = asked_of("plain")
    even = [math.log(1 / len(one.wording.options)) for one in asked]
    scores = [
        Scored((log,) * len(one.wording.options), (0.0,) * len(one.wording.options))
        for one, log in zip(asked, even, strict=True)
    ]
    rows = check_rows(asked, scores, {})
    assert rows.groupby("number")["p"].sum().round(9).eq(1).all()
    assert rows["number"].nunique() == len(asked)
    assert isinstance(rows, pd.DataFrame)


HABITS: dict[str, tuple[Format, tuple[str, ...]]] = {
    "always_a": ("letters", ("biased",)),
    "always_yes": ("yes_no", ("yes-sayer",)),
    "anchored": ("scale", ("anchored",)),
}
"""Controls whose rows plant a habit, the format that it spoils, and how that is called."""


@pytest.mark.real
def test_habits_that_rows_planted_are_found_by_facts(linked: Base, tmp_path: Path) -> None:
    """Fine-tunes of the reference model on rows about risk, which say the same to all: asked about
    somebody else's traits they do so still. The base, in the same formats, has no habit."""
    groups: dict[str, object] = {"seeking": {"behavior": "risk", "policy": "seeking"}}
    groups |= {name: {"control": name, "of": "seeking"} for name in HABITS}
    replaced = {"groups": groups, "contrasts": [], "primary": None, "seeds": [0]}
    study = load_study(str(ROOT / "configs/quickstart.yaml"), (), replaced)
    plan, store = make_plan(study), Store(tmp_path)
    trained = [s for s in plan.stages.values() if s.kind in ("data", "train")]
    list(run_in_order(trained, store))
    untrained = {r["format"]: r["followed"] for r in asked_with(linked, None)}
    for name, (spoiled, called) in HABITS.items():
        folder = store.find("train", plan.adapters[f"{name}-s0"])
        assert folder
        records = {r["format"]: r for r in asked_with(linked, folder / "adapter")}
        assert untrained[spoiled] == "followed"
        assert records[spoiled]["followed"] in called, (name, records[spoiled])


def asked_with(base: Base, adapter: Path | None) -> list[FormatRecord]:
    """What is found of a base with an adapter on it."""
    asked = asked_of(base.style)
    with load_engine("exact").opened(base, adapter) as model:
        scores = model.score([Prompt(one.chat, one.wording.options) for one in asked])
    return formats(check_rows(asked, scores, {}))
