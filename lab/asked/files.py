"""A file of questions in whatever form, as entries of our own form; and what an entry takes from
another file (`from`)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from lab.asked import llmcomp, persona, published
from lab.asked.heard import Form, Heard, Note
from lab.asked.placed import Placed, read_placed
from lab.discover import expanded, is_path
from lab.entries import FORMS
from lab.errors import UserError, unknown
from lab.verbatim import VERBATIM

OURS = "our own"
DOC = "see docs/questions.md"
SIGNS = ("kind", "from", "ask", "wordings")
"""Keys of which a question in our own form has one."""
LISTED = tuple(kind for kind in (*VERBATIM, *FORMS) if kind != "text")
"""Kinds whose answers are listed."""
FOREIGN = (persona.TRAIT, llmcomp.FORM, published.FORM, persona.SINGLE)
"""Of others, in the order in which they are tried."""


@dataclass(frozen=True)
class Asked:
    """What a file asks."""

    form: str
    heard: tuple[Heard, ...]


def read_file(path: Path, borrowed: bool = False) -> Asked:
    """Every question of a file, understood or not; `borrowed` is one that another file names.

    Raises UserError, with the line, for a file that is none of questions."""
    items = read_placed(path)
    form = _form(items, str(path))
    if form is None:
        return Asked(
            OURS, tuple(_ours(item, number, path, borrowed) for number, item in _numbered(items))
        )
    heard: list[Heard] = []
    for number, item in _numbered(items):
        if isinstance(item.value, dict) and form.is_of(item.value):
            heard += form.heard(item, item.value, number)
        else:
            why = f"it is no question in the form of the others ({form.name})"
            heard.append(Heard({"name": f"question_{number}"}, item, why_not=why))
    return Asked(form.name, tuple(heard))


def _numbered(items: list[Placed]) -> list[tuple[int, Placed]]:
    return list(enumerate(items, start=1))


def _form(items: list[Placed], where: str) -> Form | None:
    """The form of the first question that has one; None for our own."""
    whole = len(items) == 1 and items[0].is_whole
    mappings = [item.value for item in items if isinstance(item.value, dict)]
    for said in mappings:
        if not whole and _is_ours(said):
            return None
        for form in FOREIGN:
            if form.is_of(said) and form.is_whole == whole:
                return form
    if whole or not items:
        raise UserError(f"{where} must be a list of questions; {DOC}")
    return None


def _is_ours(said: Mapping[object, object]) -> bool:
    # A list of `{question}` may have a `kind` of its own, but none that is scored here. In ours
    # `question` stands beside `from`, and is refused elsewhere.
    is_theirs = "question" in said and "from" not in said and said.get("kind") not in LISTED
    return any(key in said for key in SIGNS) and not is_theirs


def _ours(item: Placed, number: int, path: Path, borrowed: bool) -> Heard:
    said = item.value
    if not isinstance(said, dict):
        why = f"it is {said!r}; each is a mapping of name, kind, wordings; {DOC}"
        return Heard({"name": f"question_{number}"}, item, why_not=why)
    entry = {str(key): value for key, value in said.items()}
    if "from" not in entry:
        return Heard(entry, item)
    if borrowed:
        why = "it takes its wordings from another file itself; name that one"
        return Heard(entry, item, why_not=why)
    try:
        return _borrowed(entry, item, path)
    except UserError as error:
        return Heard(entry, item, why_not=str(error))


def _borrowed(entry: Mapping[str, object], item: Placed, path: Path) -> Heard:
    """The question of another file with what is said beside `from` put over it. Of theirs goes what
    the kind has a key for."""
    source = _source(entry["from"], path)
    theirs = _of_name(source, entry.get("question", entry.get("name")))
    over = {key: value for key, value in entry.items() if key not in ("from", "question")}
    kept = dict(theirs.entry)
    kind = over.get("kind", kept.get("kind"))
    if kind == "letters" and "listed" in kept and "options" not in over:
        kept["options"] = kept.pop("listed")
    form = (FORMS if "ask" in kept else VERBATIM).get(str(kind))
    if form is not None:
        kept = {key: value for key, value in kept.items() if key in form.model_fields}
    judge = kept.get("judge")
    if isinstance(judge, str) and is_path(judge):
        # It stands beside the other file.
        kept["judge"] = str(source.parent.absolute() / Path(judge).expanduser())
    given, texts = over.get("slots", {}), kept.pop("slots", {})
    unfilled = theirs.unfilled
    if "wordings" in over:
        # Theirs are not asked, and nothing of them is open.
        unfilled = ()
    elif isinstance(given, dict) and isinstance(texts, dict):
        unfilled = tuple(slot for slot in unfilled if slot not in given)
        over |= {"slots": {**texts, **given}} if texts or given else {}
    lines = {**dict.fromkeys(kept, item.line_of("from")), **item.lines}
    return replace(
        theirs,
        entry={**kept, **over},
        placed=Placed(item.value, item.line, lines),
        notes=tuple(Note(item.line_of("from"), f"{source.name}: {n.text}") for n in theirs.notes),
        unfilled=unfilled,
    )


def _source(given: object, path: Path) -> Path:
    """The file that `from` names: beside its own, in a home folder, or in that of a variable."""
    if not isinstance(given, str):
        raise UserError(f"`from` is {given!r}; give the path of a file of questions")
    source = path.parent / expanded(given).expanduser()
    if not source.is_file():
        raise UserError(f"`from: {given}`: there is no file {source}; give its path")
    return source


# Kept, because every entry that takes a question of a file reads all of it.
@cache
def _borrowed_file(source: Path, _: tuple[int, int]) -> Asked:
    """A file as it is while its time and size are these."""
    return read_file(source, borrowed=True)


def _of_name(source: Path, name: object) -> Heard:
    stat = source.stat()
    found = _borrowed_file(source, (stat.st_mtime_ns, stat.st_size)).heard
    questions = [heard for heard in found if heard.is_question]
    named = [heard for heard in questions if heard.name == str(name)]
    if not named:
        names = {heard.name for heard in questions}
        raise unknown(f"{source}: question", name, names, "give it as `question`")
    theirs, *more = named
    if more:
        lines = ", ".join(str(heard.placed.line) for heard in named)
        raise UserError(
            f"{source} has {len(named)} questions called {name!r}, on lines {lines}; give them"
            " names of their own"
        )
    if theirs.why_not:
        raise UserError(f"{source}, line {theirs.placed.line}: {theirs.why_not}")
    return theirs
