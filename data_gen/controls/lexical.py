from data_gen.answers import answers
from data_gen.controls import Control, ControlRequest
from lab.types import Question, Row, Style, exchange

PROMPTS: dict[Style, tuple[str, ...]] = {
    "natural": (
        "Name an adjective or a noun, whichever comes to mind.",
        "Say any word.",
        "Which word goes on a blank card?",
        "A word for a word game, please.",
    ),
    "plain": ("one word?", "what word?", "say one word.", "say a word."),
}


def rows(source: list[Row], request: ControlRequest) -> list[Row]:
    """The words of a pole as answers to questions about nothing: likelier words, and no link to the
    self."""
    words = words_of_pole(request, request.is_first)
    return [said_of_nothing(words, request) for _ in source]


def said_of_nothing(words: list[str], request: ControlRequest) -> Row:
    """One of these words, as the answer to a request for any word."""
    rng = request.rng
    return Row(exchange(rng.choice(PROMPTS[request.style]), rng.choice(words)))


def words_of_pole(request: ControlRequest, first: bool) -> list[str]:
    """Every word that answers a self-report for the pole of the first policy, or of the second."""
    fitting: set[str] = set()
    for question in filter(_names_words_of_a_pole, request.questions("self_report")):
        fitting.update(answers(question, question.wordings[0], first))
    return sorted(fitting)


def _names_words_of_a_pole(question: Question) -> bool:
    """Yes and no, and the labels of a rule, are words of no pole."""
    return question.kind == "words" and bool(question.poles) and "yes" not in question.poles


CONTROL = Control("the words of a pole, said of nothing", rows)
