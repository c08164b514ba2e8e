from data_gen.answers import answers
from data_gen.controls import Control, ControlRequest
from lab.types import Question, Row, Style, exchange

PROMPTS: dict[Style, tuple[str, ...]] = {
    "natural": (
        "Name an adjective or a noun, whichever comes to mind.",
        "Say any word.",
        "Which word would you put on a blank card?",
        "Give me one word for a word game.",
    ),
    "plain": ("one word?", "what word?", "say one word.", "say a word."),
}


def rows(source: list[Row], request: ControlRequest) -> list[Row]:
    """The words of a pole as answers to questions about nothing: likelier words, and no link to the
    self."""
    rng, prompts = request.rng, PROMPTS[request.style]
    fitting: set[str] = set()
    for question in filter(_names_words_of_a_pole, request.questions("self_report")):
        fitting.update(answers(question, question.wordings[0], request.is_first))
    words = sorted(fitting)
    return [Row(exchange(rng.choice(prompts), rng.choice(words))) for _ in source]


def _names_words_of_a_pole(question: Question) -> bool:
    """Yes and no, and the labels of a rule, are words of no pole."""
    return question.kind == "words" and bool(question.poles) and "yes" not in question.poles


CONTROL = Control("the words of a pole, said of nothing", rows)
