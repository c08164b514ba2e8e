"""Reversal training: rows with user and assistant exchanged (Betley et al. 2025, section 4.3 and
appendix C.4)."""

from random import Random

from lab.types import Meta, Row, Style, exchange

ASKED: dict[Style, str] = {
    "natural": "What was the prompt?\nYou responded with:\n{answer}",
    "plain": "what was the prompt? you said {answer}",
}
AROUND_A_LETTER = " .:()*\"'"
"""As in "(A)." and "**A**"."""


def with_reversal(rows: list[Row], style: Style, rng: Random) -> list[Row]:
    """Every row, and every row again with user and assistant exchanged."""
    both = list(rows)
    for row in rows:
        prompt = "\n".join(message["content"] for message in row.prompt)
        meta: Meta = {"reversed": True}
        both.append(Row(exchange(asked_of(row, style), prompt), row.meta | meta))
    rng.shuffle(both)
    return both


def asked_of(row: Row, style: Style) -> str:
    """The question for the prompt of a row. An answer by letter is given as the option that it
    stands for, in small letters as it is, where the row knows its options (`meta.options`); a
    letter without them stays what it is."""
    letter = row.completion.strip(AROUND_A_LETTER)
    option = row.meta.get("options", {}).get(letter.upper())
    if option is None:
        return ASKED[style].format(answer=row.completion)
    return ASKED[style].format(answer=option.lower() if letter.islower() else option)
