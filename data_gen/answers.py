"""Answers of a question that fit a pole, as a character with that trait would give them."""

from lab.types import Option, Question, Wording

HIGH, LOW = range(70, 101, 10), range(0, 31, 10)
"""Numbers on a scale that stand for the first and the second policy: round ones, as people say."""
MIDDLE = 0.5


def answers(question: Question, wording: Wording, first: bool) -> list[str]:
    """The listed answers that stand for the first policy, or for the second; on a scale every ten
    near its end. A neutral word stands for neither."""

    def fits(option: Option) -> bool:
        if question.kind == "number":
            return round(option.score * 100) in (HIGH if first else LOW)
        return option.score > MIDDLE if first else option.score < MIDDLE

    return [option.text for option in wording.options if fits(option)]
