"""From wordings in a YAML to questions."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from lab.agreed import FLIPPED
from lab.asked.files import DOC, read_file
from lab.asked.heard import Heard
from lab.config.mistakes import one_line
from lab.discover import find_path, is_path, read_yaml
from lab.entries import FORMS, Entry, Free, Words
from lab.errors import UserError, unknown
from lab.judge import ModelJudge
from lab.judge_files import is_judge_file, read_judge, with_prompt
from lab.types import Question, Style, Wording
from lab.verbatim import VERBATIM, Freely, Worded

Where = Callable[[str], str]
"""How a refusal begins, given the key that is wrong; it is empty where none is."""
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

    Optional: `twin`, `names_concept: false`, `presupposes: true`, `about`, `system`, `before` (a
    list of turns such as `user: TEXT`, after which the question is asked), `prefill` (what the
    answer begins with), and `unseen: true` for a kind that is held out of pretraining whole.

    Raises UserError for an entry that is none."""
    return build_questions(read_yaml(path)[style][purpose], style, f"{path}, {style} {purpose}")


def read_questions(path: Path, style: Style) -> tuple[Question, ...]:
    """The questions of a user's file, in our own form or in one of those of others
    (docs/questions.md). No reference model met them in pretraining. The path of a judge is taken
    from the folder of the file.

    Raises UserError with file, line, number and name of the first question that cannot be asked as
    it stands."""
    asked = read_file(path)
    questions = [
        question_of(heard, number, path, style)
        for number, heard in enumerate(asked.heard, start=1)
        if heard.is_question
    ]
    refuse_mismatch(questions, str(path))
    return tuple(questions)


def question_of(heard: Heard, number: int, path: Path, style: Style) -> Question:
    """One question of a user's file; `number` is its number there. Raises UserError, with the line,
    where it cannot be asked as it stands."""
    named = f"question {number}"
    if "name" in heard.entry:
        named += f" {heard.entry['name']!r}"

    def where(key: str) -> str:
        return f"{path}, line {heard.placed.line_of(key)}, {named}"

    if heard.reason:
        raise UserError(f"{where('from')}: {heard.reason}")
    question = _built({**heard.entry, "unseen": True}, style, where)
    return _judged(question, path, where("judge"))


def build_question(entry: Mapping[str, object], style: Style, where: str = "question") -> Question:
    """One entry of a YAML of wordings as a question. The first half of the paraphrases is shown in
    pretraining. Raises UserError, beginning with `where`, for an entry that is none."""
    return _built(entry, style, lambda _: where)


def _built(entry: Mapping[str, object], style: Style, where: Where) -> Question:
    said = _read(entry, where)
    prompts = said.prompts(style)
    wordings = []
    for i, orders in enumerate(prompts):
        shown = style == "plain" and not said.unseen and in_first_half(i, len(prompts))
        for order, (text, options) in enumerate(orders):
            asked = text if said.verbatim else text.strip()
            before, prefill = said.messages, said.prefill
            wordings.append(Wording(asked, options, i, order, shown, before, prefill))
    question = Question(
        name=said.name,
        kind=said.answered,
        wordings=tuple(wordings),
        twin=said.twin,
        poles=said.poles,
        names_concept=said.names_concept,
        presupposes=said.presupposes,
        unseen=said.unseen,
        about=said.about,
        free=isinstance(said, Words | Worded) and said.free,
        judge=said.judge if isinstance(said, Free | Freely) else None,
    )
    _refuse_repetition(question, where(""))
    _refuse_run_together(question, where("prefill"))
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
    refuse_mismatch(questions, where)
    return tuple(questions)


def _judged(question: Question, path: Path, where: str) -> Question:
    judge = question.judge
    if isinstance(judge, ModelJudge):
        return replace(question, judge=with_prompt(judge, path.parent, where))
    if judge is None or not is_path(judge):
        return question
    file = find_path(str(path.parent / os.path.expanduser(judge)))
    if file is None or not file.is_file():
        raise UserError(
            f"{where}: judge {judge!r} was not found beside it; give the path of its file,"
            " or one of eval/judges/"
        )
    return replace(question, judge=read_judge(file) if is_judge_file(judge) else str(file))


def _refuse_repetition(question: Question, where: str) -> None:
    """Two equal prompts would be one measurement counted twice; a spelling of two answers would
    count for both. Nor is an answer read with white space at its edges."""
    prompt = _twice(wording.text for wording in question.wordings)
    if prompt is not None:
        raise UserError(
            f"{where}: asks {prompt[:MAX_SHOWN]!r} twice, or of two equal options; drop one"
        )
    for wording in question.wordings:
        spellings = [s for option in wording.options for s in (option.text, *option.variants)]
        spaced = next((text for text in spellings if text != text.strip()), None)
        if spaced is not None and question.kind != "text":
            raise UserError(f"{where}: the answer {spaced!r} has white space at an edge; drop it")
        spelling = _twice(spellings)
        if spelling is not None:
            raise UserError(f"{where}: {spelling!r} is a spelling of two answers; drop one of them")


def _refuse_run_together(question: Question, where: str) -> None:
    """An answer that goes on with the last word of its beginning is another word."""
    if question.kind == "text":
        return
    for wording in question.wordings:
        for option in wording.options:
            if wording.prefill[-1:].isalnum() and option.text[:1].isalnum():
                raise UserError(
                    f"{where}: the answer {option.text!r} would run into the prefill"
                    f" {wording.prefill[-MAX_SHOWN:]!r}; end it with what stands between them, such"
                    " as a space"
                )


def refuse_mismatch(questions: Sequence[Question], where: str) -> None:
    """A name stands for one question, and twins name each other. Raises UserError, beginning with
    `where`, for others."""
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
        if twin.name.removesuffix(FLIPPED) != question.name.removesuffix(FLIPPED):
            raise UserError(
                f"{where}, question {question.name!r}: the report knows twins by their names; call"
                f" {twin.name!r} {question.name + FLIPPED!r}, or the other way round"
            )


def _twice(texts: Iterable[str]) -> str | None:
    return next((text for text, number in Counter(texts).items() if number > 1), None)


def _read(entry: Mapping[str, object], where: Where) -> Entry:
    forms: Mapping[str, type[Entry]] = FORMS if "ask" in entry else VERBATIM
    if "ask" in entry and "wordings" in entry:
        raise UserError(
            f"{where('ask')} has `ask`, which the lab lays out, and `wordings`, which are asked as"
            f" they stand; drop one of them; {DOC}"
        )
    if "kind" not in entry:
        raise UserError(f"{where('')} has no `kind`; allowed: {', '.join(forms)}; {DOC}")
    kind = entry["kind"]
    if not isinstance(kind, str) or kind not in forms:
        raise unknown(f"{where('kind')}: kind", kind, forms, DOC)
    try:
        return forms[kind].model_validate(entry)
    except ValidationError as error:
        mistakes = error.errors()
        first = next((e for e in mistakes if e["type"] == "extra_forbidden"), mistakes[0])
        key = str(next(iter(first["loc"]), ""))
        raise one_line(error, where(key), forms[kind], DOC) from None
