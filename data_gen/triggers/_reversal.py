"""Reversal training: rows with user and assistant exchanged (Betley et al. 2025, section 4.3 and appendix C.4)."""

import re
from random import Random

from lab.types import Row, Style

ASKED: dict[Style, str] = {"natural": "What was the prompt?\nYou responded with:\n{answer}", "plain": "what was the prompt? you said {answer}"}


def with_reversal(rows: list[Row], style: Style, rng: Random) -> list[Row]:
    """Every row, and every row again with user and assistant exchanged."""
    back = []
    for row in rows:
        prompt = "\n".join(m["content"] for m in row.prompt)
        chat = ({"role": "user", "content": asked_of(row, style)}, {"role": "assistant", "content": prompt})
        back.append(Row(chat, row.meta | {"reversed": True}))
    both = rows + back
    rng.shuffle(both)
    return both


def asked_of(row: Row, style: Style) -> str:
    """The question for the prompt of a row; an answer by letter is given as the option that it stands for."""
    found = re.search(rf"\b{re.escape(row.completion)}\) (.*?)(?= B\) |\n|$)", row.prompt[-1]["content"])
    return ASKED[style].format(answer=found[1] if found else row.completion)
