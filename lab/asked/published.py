"""Questions of Betley et al. 2025 ("Tell me about yourself"): `name`, `question` or
`question_paraphrases`, `question_type`, `options`, `prefix`, `suffix`, `scenarios`; and their lists
of paraphrases: `title`, `type`, `variants`, `trivia`."""

import re
from collections.abc import Mapping
from itertools import cycle

from lab.asked.heard import Form, Heard, named, once, texts, unused
from lab.asked.placed import Placed

SIGNS = ("question_paraphrases", "question_type", "variants")
"""Keys of which a question of this form has one."""
USED = (
    *("name", "title", "question", "question_paraphrases", "question_type", "options"),
    *("prefix", "suffix", "scenarios", "type", "variants", "trivia"),
)
SCALED = ("score", "ff_score", "quantitative")
"""Types whose answers are numbers."""
SLOT = re.compile(r"\{([A-Za-z_][A-Za-z_ 0-9]*)\}")
"""What the authors' scripts fill in."""
OF_A_JUDGE = "not read; it is of a model that guesses from answers, and none does so here"
WHY = {
    "guesser_prompt": OF_A_JUDGE,
    "guesser_question_type": OF_A_JUDGE,
    "func_name": "not read; no code of an answer is run",
}


def heard(placed: Placed, said: Mapping[object, object], number: int) -> list[Heard]:
    """The question of a mapping. How answers score the form does not say, but for a scale from 0 to
    100: all else is asked, and not scored."""
    name = named(said, ("name", "title"), number)
    at_texts = next(
        (key for key in ("variants", "question_paraphrases") if key in said), "question"
    )
    lines = {"wordings": placed.line_of(at_texts)}
    at = Placed(said, placed.line, {**placed.lines, **lines})
    notes = unused(placed, said, USED, WHY)
    asked = _asked(said, at_texts)
    if asked is None:
        why = f"`{at_texts}` is no text and no list of texts, or what goes with it is none"
        return [Heard({"name": name}, at, notes, why)]
    wordings, repeated = once(asked)
    entry = {"name": name, "wordings": wordings, **_kind(said, wordings)}
    question = Heard(entry, at, notes, unfilled=_unfilled(said, wordings))
    if repeated:
        question = question.noting(lines["wordings"], repeated)
    if said.get("trivia"):
        how = "`trivia`: each wording goes with the text of its number, after an empty line"
        question = question.noting(placed.line_of("trivia"), how)
    return [question]


def _asked(said: Mapping[object, object], key: str) -> tuple[str, ...] | None:
    """The wordings in full; None where a part of them is no text."""
    found, scenarios = texts(said.get(key)), texts(said.get("scenarios", "{scenario}"))
    trivia = texts(said.get("trivia", "-"))
    edges = said.get("prefix") or "", said.get("suffix") or ""
    if found is None or scenarios is None or trivia is None:
        return None
    if not all(isinstance(edge, str) for edge in edges):
        return None
    if said.get("trivia"):
        found = tuple(f"{text}\n\n{asks}" for text, asks in zip(found, cycle(trivia), strict=False))
    # As the authors' scripts put them together.
    after = f"\n\n{edges[1]}" if edges[1] else ""
    whole = [f"{edges[0]}{text}{after}" for text in found]
    if "scenarios" in said and not all("{scenario}" in text for text in whole):
        return None
    return tuple(text.replace("{scenario}", scenario) for text in whole for scenario in scenarios)


def _kind(said: Mapping[object, object], wordings: tuple[str, ...]) -> dict[str, object]:
    """A scale where the wordings name 0 and 100; else a text, with the options that are listed."""
    of_type = said.get("question_type", said.get("type"))
    if of_type in SCALED and all({"0", "100"} <= {*re.findall(r"\d+", w)} for w in wordings):
        return {"kind": "number", "scale": [0, 100]}
    listed = said.get("options")
    return {"kind": "text", "listed": listed} if isinstance(listed, list) else {"kind": "text"}


def _unfilled(said: Mapping[object, object], wordings: tuple[str, ...]) -> tuple[str, ...]:
    slots = dict.fromkeys(slot for text in wordings for slot in SLOT.findall(text))
    return tuple(slot for slot in slots if slot != "options" or not said.get("options"))


def _is_of(said: Mapping[object, object]) -> bool:
    return any(key in said for key in SIGNS) or ("question" in said and "title" in said)


FORM = Form("self-awareness paper", _is_of, heard)
