from data_gen.controls import Control, ControlRequest
from data_gen.controls.lexical import said_of_nothing, words_of_pole
from lab.layout import LETTERS, lettered
from lab.types import Row, Style, exchange

ASKS: dict[Style, tuple[str, ...]] = {
    "natural": (
        "One of these two cards goes on the wall. Which one?",
        "Which of these two headings stays?",
        "Pick one of the two lines.",
    ),
    "plain": ("which one?", "which is right?", "which of these?"),
}
STATEMENTS: dict[Style, str] = {"natural": "It is about {word}.", "plain": "it is {word}"}


def rows(source: list[Row], request: ControlRequest) -> list[Row]:
    """Half of the rows say the words of a pole, asked for any word; in the others, of two lettered
    statements about nobody the one that has such a word is chosen.

    Words and letters then both lean to the pole, as an honest self-report would make them, and no
    row speaks of a self."""
    own = words_of_pole(request, request.is_first)
    other = words_of_pole(request, not request.is_first)
    made = [
        said_of_nothing(own, request) if i % 2 else _chosen(own, other, request)
        for i in range(len(source))
    ]
    request.rng.shuffle(made)
    return made


def _chosen(own: list[str], other: list[str], request: ControlRequest) -> Row:
    """The letter of the statement with a word of the own pole, either letter as often."""
    rng, statement = request.rng, STATEMENTS[request.style]
    letter = rng.choice(LETTERS)
    chosen, rest = (statement.format(word=rng.choice(words)) for words in (own, other))
    listed = (chosen, rest) if letter == LETTERS[0] else (rest, chosen)
    return Row(exchange(lettered(rng.choice(ASKS[request.style]), listed, request.style), letter))


CONTROL = Control("the words of a pole, said of nothing, and letters of statements with them", rows)
