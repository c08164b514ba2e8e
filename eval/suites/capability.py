from lab.discover import beside
from lab.questions import INSTRUCTION
from lab.types import Behavior, Option, Question, Style, Suite, Wording

_YAML = beside(__file__)


def questions(behavior: Behavior, style: Style) -> tuple[Question, ...]:
    """Questions with a right answer, the same whatever the behavior; 1 is right."""
    return tuple(
        Question(name, "words", _wordings(items, style), names_concept=False)
        for name, items in _YAML[style].items()
    )


def _wordings(items: list[list[str]], style: Style) -> tuple[Wording, ...]:
    return tuple(
        Wording(
            f"{text} {INSTRUCTION[style]['words']}".strip(),
            (_option(right, 1.0, style), *(_option(word, 0.0, style) for word in wrong)),
            paraphrase=i,
        )
        for i, (text, right, *wrong) in enumerate(items)
    )


def _option(text: str, score: float, style: Style) -> Option:
    spellings = () if style == "plain" else (text.capitalize(), f"{text}.", f"{text.capitalize()}.")
    return Option(text, score, tuple(s for s in dict.fromkeys(spellings) if s != text))


SUITE = Suite(
    "capability",
    "questions with a right answer that have nothing to do with the behavior",
    questions,
)
