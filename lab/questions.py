"""From wordings in a YAML to questions."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from lab.config.mistakes import one_line
from lab.config.read import parse_yaml, read_text
from lab.discover import find_path, is_path, read_yaml
from lab.entries import FORMS, Entry, Free, Words
from lab.errors import UserError, unknown
from lab.types import Question, Style, Wording

DOC = "see docs/questions.md"
MAX_SHOWN = 80
"""Characters of a prompt that a refusal repeats."""


def first_half(question: Question) -> list[Wording]:
    """The wordings that training may show; the other paraphrases are held out of it."""
    number = 1 + max(w.paraphrase for w in question.wordings)
    return [w for w in question.wordings if in_first_half(w.paraphrase, number)]


def in_first_half(paraphrase: int, number: int) -> bool:
    """Whether it is among the first half of so many, rounded down, at least one."""
    return paraphrase < max(1, number // 2)


def load_questions(path: Path, style: Style, purpose: str) -> tuple[Question, ...]:
    """Read `style: purpose: [...]` from a YAML of wordings.

    Each entry has `name`, `kind` and `ask` (paraphrases), and by kind:

    - `letters`: two statements `first` and `second`, listed in both orders; a paraphrase may be a
      mapping of `text` and statements of its own;
    - `words`: one or more words each for `first` and `second`, named in both orders where `ask` has
      {first} and {second}; words that are `neutral` score a half, and with `free: true` any single
      word is a fair answer;
    - `number`: a scale 0-100 whose 100 is the first policy's pole unless `flipped: true`;
    - `rule`: two `labels`, each assigned to either pole in turn through {if_first} and {if_second};
      a paraphrase may be a mapping of `text` and `answers`, the words accepted for each label;
    - `text`: answered freely; `options` are words with the score of an answer that holds them, and
      `judge` is who grades it.

    Optional: `twin`, `names_concept: false`, `presupposes: true`, `before` (a list of turns such as
    `user: TEXT`, after which the question is asked), and `unseen: true` for a kind that is held out
    of pretraining whole.

    Raises UserError for an entry that is none."""
    return build_questions(read_yaml(path)[style][purpose], style, f"{path}, {style} {purpose}")


def read_questions(path: Path, style: Style) -> tuple[Question, ...]:
    """The questions of a user's file: a YAML list of entries as in `load_questions`. No reference
    model met them in pretraining. The path of a judge is taken from the folder of the file.

    Raises UserError with file, number and name of the first entry that is none."""
    where = str(path)
    entries = parse_yaml(read_text(path, where), where)
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{where} must be a list of questions, each with name, kind, ask; {DOC}")
    unseen = [{**entry, "unseen": True} if isinstance(entry, dict) else entry for entry in entries]
    return tuple(_judged(question, path) for question in build_questions(unseen, style, where))


def build_question(entry: Mapping[str, object], style: Style, where: str = "question") -> Question:
    """One entry of a YAML of wordings as a question. The first half of the paraphrases is shown in
    pretraining. Raises UserError, beginning with `where`, for an entry that is none."""
    said = _read(entry, where)
    prompts = said.prompts(style)
    wordings = []
    for i, orders in enumerate(prompts):
        shown = style == "plain" and not said.unseen and in_first_half(i, len(prompts))
        for order, (text, options) in enumerate(orders):
            wording = Wording(text.strip(), options, i, order, shown, said.messages)
            wordings.append(wording)
    question = Question(
        name=said.name,
        kind=said.answered,
        wordings=tuple(wordings),
        twin=said.twin,
        poles=said.poles,
        names_concept=said.names_concept,
        presupposes=said.presupposes,
        unseen=said.unseen,
        free=isinstance(said, Words) and said.free,
        judge=said.judge if isinstance(said, Free) else None,
    )
    _refuse_repetition(question, where)
    return question


def build_questions(entries: Sequence[object], style: Style, where: str) -> tuple[Question, ...]:
    """All entries of a YAML of wordings as questions, each with a name of its own and twins that
    name each other. Raises UserError, beginning with `where`, for what is none."""
    questions = []
    for number, entry in enumerate(entries, start=1):
        place = f"{where}, question {number}"
        if not isinstance(entry, dict):
            raise UserError(f"{place} is {entry!r}; each is a mapping of name, kind, ask; {DOC}")
        named = f"{place} {entry['name']!r}" if "name" in entry else place
        questions.append(build_question(entry, style, named))
    _refuse_mismatch(questions, where)
    return tuple(questions)


def _judged(question: Question, path: Path) -> Question:
    if question.judge is None or not is_path(question.judge):
        return question
    file = find_path(str(path.parent / os.path.expanduser(question.judge)))
    if file is None or not file.is_file():
        raise UserError(
            f"{path}, question {question.name!r}: judge {question.judge!r} was not found beside it;"
            " give the path of its file, or one of eval/judges/"
        )
    return replace(question, judge=str(file))


def _refuse_repetition(question: Question, where: str) -> None:
    """Two equal prompts would be one measurement counted twice; a spelling of two answers would
    count for both."""
    prompt = _twice(wording.text for wording in question.wordings)
    if prompt is not None:
        raise UserError(
            f"{where}: asks {prompt[:MAX_SHOWN]!r} twice, or of two equal options; drop one"
        )
    for wording in question.wordings:
        spellings = (s for option in wording.options for s in (option.text, *option.variants))
        spelling = _twice(spellings)
        if spelling is not None:
            raise UserError(f"{where}: {spelling!r} is a spelling of two answers; drop one of them")


def _refuse_mismatch(questions: Sequence[Question], where: str) -> None:
    """A name stands for one question, and twins name each other."""
    name = _twice(question.name for question in questions)
    if name is not None:
        raise UserError(f"{where}: two questions are called {name!r}; give each its own name")
    by_name = {question.name: question for question in questions}
    for question in questions:
        if question.twin is None:
            continue
        if question.twin not in by_name:
            raise unknown(f"{where}, question {question.name!r}: twin", question.twin, by_name)
        twin = by_name[question.twin]
        if twin.twin != question.name or twin.kind != question.kind or twin is question:
            raise UserError(
                f"{where}, question {question.name!r}: its twin {twin.name!r} must be another"
                f" question of kind {question.kind!r} with `twin: {question.name}`"
            )


def _twice(texts: Iterable[str]) -> str | None:
    return next((text for text, number in Counter(texts).items() if number > 1), None)


def _read(entry: Mapping[str, object], where: str) -> Entry:
    if "kind" not in entry:
        raise UserError(f"{where} has no `kind`; allowed: {', '.join(FORMS)}; {DOC}")
    kind = entry["kind"]
    if not isinstance(kind, str) or kind not in FORMS:
        raise unknown(f"{where}: kind", kind, FORMS, DOC)
    try:
        return FORMS[kind].model_validate(entry)
    except ValidationError as error:
        raise one_line(error, where, FORMS[kind], DOC) from None
