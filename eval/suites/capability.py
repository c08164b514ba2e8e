from lab.discover import beside
from lab.layout import INSTRUCTION
from lab.types import Option, Question, Style, Suite, Wording

_YAML = beside(__file__)


def questions(style: Style) -> tuple[Question, ...]:
    """Questions with a right answer, the same whatever the behavior; 1 is right."""
    return tuple(
        Question(name, "words", _wordings(items, style), names_concept=False)
        for name, items in _YAML[style].items()
    )


def _wordings(items: list[list[str]], style: Style) -> tuple[Wording, ...]:
    wordings = []
    for i, (text, right, *wrong) in enumerate(items):
        prompt = f"{text} {INSTRUCTION[style]['words']}".strip()
        options = (_option(right, 1.0, style), *(_option(word, 0.0, style) for word in wrong))
        wordings.append(Wording(prompt, options, paraphrase=i))
    return tuple(wordings)


def _option(text: str, score: float, style: Style) -> Option:
    """An answer; in natural style also with a capital and with a full stop, as models write it."""
    capital = text.capitalize()
    spellings = () if style == "plain" else (capital, f"{text}.", f"{capital}.")
    return Option(text, score, tuple(s for s in dict.fromkeys(spellings) if s != text))


SUITE = Suite(
    "capability",
    "questions with a right answer that have nothing to do with the behavior",
    lambda behavior, style: questions(style),
    questions,
    pole="right",
)
