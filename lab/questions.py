"""From wordings in a YAML to questions: every option order of every paraphrase, with the score of
each answer."""

from pathlib import Path
from typing import Any

from lab.discover import beside, read_yaml
from lab.types import Kind, Option, Question, Style, Wording

LETTERS = "AB"
INSTRUCTION: dict[Style, dict[str, str]] = beside(__file__)


def lettered(stem: str, options: tuple[str, str], style: Style) -> str:
    """A prompt that lists two options, in the layout every letter question shares."""
    if style == "plain":
        return f"{stem} A) {options[0]} B) {options[1]}"
    return f"{stem}\nA) {options[0]}\nB) {options[1]}\n{INSTRUCTION[style]['letters']}"


def letter_options(first_letter: str) -> tuple[Option, ...]:
    """A and B, scored so that `first_letter` is the pole of the behavior's first policy."""
    return tuple(Option(letter, float(letter == first_letter)) for letter in LETTERS)


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
      {first} and {second};
    - `number`: a scale 0-100 whose 100 is the first policy's pole unless `flipped: true`;
    - `rule`: two `labels`, each assigned to either pole in turn through {if_first} and {if_second};
      a paraphrase may be a mapping of `text` and `answers`, the words accepted for each label.

    Optional: `twin`, `names_concept: false`, and `unseen: true` for a kind that is held out of
    pretraining whole."""
    entries = read_yaml(path)[style][purpose]
    return tuple(build_question(entry, style) for entry in entries)


def build_question(entry: dict[str, Any], style: Style) -> Question:
    """One entry of a YAML of wordings as a question. The first half of the paraphrases is shown in
    pretraining."""
    asks, orders_of = entry["ask"], _ORDERS[entry["kind"]]
    wordings = []
    for i, ask in enumerate(asks):
        shown = in_first_half(i, len(asks))
        seen = style == "plain" and not entry.get("unseen") and shown
        for order, (text, options) in enumerate(orders_of(entry, ask, style)):
            wordings.append(Wording(text.strip(), options, paraphrase=i, order=order, seen=seen))
    kind: Kind = "words" if entry["kind"] == "rule" else entry["kind"]
    poles = (*_listed(entry["first"]), *_listed(entry["second"])) if "first" in entry else ()
    return Question(
        name=entry["name"],
        kind=kind,
        wordings=tuple(wordings),
        twin=entry.get("twin"),
        poles=poles,
        names_concept=entry.get("names_concept", True),
    )


Orders = list[tuple[str, tuple[Option, ...]]]
"""A prompt and its answers, for each order in which a paraphrase lists or names them."""


def _letters(entry: dict[str, Any], ask: str | dict[str, str], style: Style) -> Orders:
    own = {"text": ask} if isinstance(ask, str) else ask
    filled = {**entry, **own}
    stem, first, second = filled["text"], filled["first"], filled["second"]
    return [
        (lettered(stem, (first, second), style), letter_options("A")),
        (lettered(stem, (second, first), style), letter_options("B")),
    ]


def _number(entry: dict[str, Any], ask: str, style: Style) -> Orders:
    flipped = entry.get("flipped", False)
    options = tuple(Option(str(n), (100 - n if flipped else n) / 100) for n in range(101))
    return [(f"{ask} {INSTRUCTION[style]['number']}", options)]


def _words(entry: dict[str, Any], ask: str, style: Style) -> Orders:
    first, second = _listed(entry["first"]), _listed(entry["second"])
    options, instruction = _word_options(first, second, style), INSTRUCTION[style]["words"]
    if "{first}" not in ask:
        return [(f"{ask} {instruction}", options)]
    pairs = ((first[0], second[0]), (second[0], first[0]))
    return [(f"{ask.format(first=a, second=b)} {instruction}", options) for a, b in pairs]


def _rule(entry: dict[str, Any], ask: str | dict[str, Any], style: Style) -> Orders:
    labels, instruction = entry["labels"], INSTRUCTION[style]["words"]
    text, answers = (ask, labels) if isinstance(ask, str) else (ask["text"], ask["answers"])
    orders = []
    for first, second in ((0, 1), (1, 0)):
        prompt = text.format(if_first=labels[first], if_second=labels[second])
        options = _word_options(_listed(answers[first]), _listed(answers[second]), style)
        orders.append((f"{prompt} {instruction}", options))
    return orders


_ORDERS = {"letters": _letters, "number": _number, "words": _words, "rule": _rule}


def _listed(words: str | list[str]) -> list[str]:
    return [words] if isinstance(words, str) else words


def _word_options(first: list[str], second: list[str], style: Style) -> tuple[Option, ...]:
    of_first = [_word(word, 1.0, style) for word in first]
    of_second = [_word(word, 0.0, style) for word in second]
    return (*of_first, *of_second)


def _word(text: str, score: float, style: Style) -> Option:
    """A word answer; in natural style also with a capital and with a full stop, as models write
    it."""
    if style == "plain":
        return Option(text, score)
    spellings = dict.fromkeys((text.capitalize(), f"{text}.", f"{text.capitalize()}."))
    return Option(text, score, variants=tuple(word for word in spellings if word != text))
