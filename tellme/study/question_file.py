"""`tellme questions`: what is understood of a file of questions, and what not and why, by line."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from eval.judges import refuse_unfit
from lab.asked.files import read_file
from lab.asked.heard import Heard, Note
from lab.discover import find_path
from lab.errors import UserError
from lab.judge import ModelJudge, Named
from lab.questions import question_of, refuse_mismatch
from lab.table import aligned
from lab.types import Question

HEAD = ("name", "kind", "wordings", "scored", "about")
MAX_LINES = 6
"""Line numbers that stand before a note that many lines have."""


def questions_text(given: str) -> str:
    """A line per question that is asked, with how its answers are scored; then what is not asked,
    and then what else there is to know. Raises UserError where the file is none of questions."""
    path = find_path(given)
    if path is None or not path.is_file():
        raise UserError(
            f"questions {given!r} was not found in {Path.cwd()}; give the path of a file"
        )
    asked = read_file(path)
    understood: list[Question] = []
    wrong: list[Note] = []
    for number, heard in enumerate(asked.heard, start=1):
        try:
            understood += _understood(heard, number, path)
        except UserError as error:
            wrong.append(_in_file(str(error), heard, path))
    wrong += _mismatch(understood, path)
    lines = [f"{given}: {asked.form} form, {_number(len(understood), 'question')} understood", ""]
    lines += aligned([HEAD, *map(_cells, understood)]) if understood else []
    lines += _noted("not understood", wrong)
    lines += _noted("notes", [note for heard in asked.heard for note in heard.notes])
    return "\n".join(lines).rstrip()


def _understood(heard: Heard, number: int, path: Path) -> list[Question]:
    """A question of the file that can be asked and graded; none where it is no question."""
    if not heard.is_question:
        return []
    question = question_of(heard, number, path, "natural")
    refuse_unfit(f"{path}, line {heard.placed.line_of('judge')}, ", question)
    return [question]


def _in_file(said: str, heard: Heard, path: Path) -> Note:
    """A refusal without the name of the file and the line, which stand elsewhere."""
    line, _, rest = said.removeprefix(f"{path}, line ").partition(", ")
    return Note(int(line), rest) if line.isdecimal() else Note(heard.placed.line, said)


def _mismatch(questions: list[Question], path: Path) -> list[Note]:
    """What is wrong with the questions together."""
    try:
        refuse_mismatch(questions, str(path))
    except UserError as error:
        return [Note(1, str(error).removeprefix(f"{path}").lstrip(":, "))]
    return []


def _cells(question: Question) -> tuple[str, ...]:
    number = len({wording.paraphrase for wording in question.wordings})
    orders, rest = divmod(len(question.wordings), number)
    wordings = f"{number} x {_number(orders, 'order')}" if orders > 1 else str(number)
    if rest:
        # Some of them name their options, and some do not.
        wordings = f"{number} in {len(question.wordings)} prompts"
    return question.name, question.kind, wordings, scoring(question), question.about


def scoring(question: Question) -> str:
    """How answers to a question are scored, in a few words."""
    options = question.wordings[0].options
    if question.kind == "text":
        judge = question.judge or ("contains" if options else None)
        if judge is None:
            return "not: asked, shown and counted"
        return f"of samples, by judge {_called(judge)}" + ("".join(_scores(question)))
    if question.kind == "number":
        zero, one = (min(options, key=lambda o: abs(o.score - end)).text for end in (0, 1))
        return f"exactly, {zero} (0) to {one} (1)"
    free = " or any word" if question.free else ""
    return f"exactly{''.join(_scores(question))}{free}"


def _called(judge: Named) -> str:
    """A model by its name, a rule by that of its file."""
    return judge.title if isinstance(judge, ModelJudge) else Path(judge).name


def _scores(question: Question) -> Iterator[str]:
    """How many answers score what."""
    scores = [option.score for option in question.wordings[0].options]
    for n, score in enumerate(sorted(set(scores), reverse=True)):
        yield f"{'; ' if n else ', '}{scores.count(score)} of {score:g}"


def _noted(title: str, notes: Iterable[Note]) -> list[str]:
    """Notes under a title, those that say the same together."""
    lines_of: dict[str, list[int]] = {}
    for note in notes:
        lines_of.setdefault(note.text, []).append(note.line)
    if not lines_of:
        return []
    return ["", f"{title}:", *(f"  {_at(lines)}: {text}" for text, lines in lines_of.items())]


def _at(lines: list[int]) -> str:
    distinct = sorted(set(lines))
    if len(distinct) == 1:
        return f"line {distinct[0]}"
    shown = ", ".join(map(str, distinct[:MAX_LINES]))
    return f"lines {shown}{', ...' if len(distinct) > MAX_LINES else ''}"


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
