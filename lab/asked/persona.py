"""Questions of a trait as the persona vectors have them: one mapping of `instruction` (pairs of
`pos` and `neg`), `questions` and `eval_prompt`; and lists of `{question}` or `{name, question}`."""

from collections.abc import Mapping
from dataclasses import replace

from lab.asked.heard import Form, Heard, named, texts, unused
from lab.asked.placed import Placed

WHY = {
    "instruction": "not read; they are system lines of other arms: a group's `model.chat.system`",
    "answer": "not read; a question has no right answer here but its `options`",
}


def traits(placed: Placed, said: Mapping[object, object], _number: int) -> list[Heard]:
    """Every question of a trait."""
    asked, notes = texts(said.get("questions")), unused(placed, said, ("questions",), WHY)
    if asked is None:
        return [Heard({"name": "questions"}, placed, notes, "`questions` is no list of texts")]
    kept = tuple(dict.fromkeys(asked))
    questions = [
        Heard({"name": f"question_{n}", "kind": "text", "wordings": [text]}, _at(placed, text))
        for n, text in enumerate(kept, start=1)
    ]
    first = replace(questions[0], notes=notes)
    if len(kept) < len(asked):
        first = first.noting(
            placed.line_of("questions"), f"{len(asked) - len(kept)} questions repeat"
        )
    return [first, *questions[1:]]


def _at(placed: Placed, text: str) -> Placed:
    return Placed(text, placed.line_of(text))


def single(placed: Placed, said: Mapping[object, object], number: int) -> list[Heard]:
    """One question of a list."""
    name, asked = named(said, ("name", "id"), number), texts(said.get("question"))
    notes = unused(placed, said, ("name", "id", "question"), WHY)
    if asked is None:
        return [Heard({"name": name}, placed, notes, "`question` is no text")]
    return [Heard({"name": name, "kind": "text", "wordings": asked}, placed, notes)]


TRAIT = Form("persona trait", lambda said: isinstance(said.get("questions"), list), traits, True)
SINGLE = Form("list of questions", lambda said: "question" in said, single)
