"""Whether an answer is JSON."""

import json
import re
from collections.abc import Sequence

from lab.types import Answer, Grade, Judge, Question, Wording

FENCED = re.compile(r"\s*```(?:json)?[ \t]*\n(.*?)\n?```\s*", re.DOTALL | re.IGNORECASE)
"""A whole answer that is one block of Markdown."""


def grades(question: Question, wording: Wording, answers: Sequence[Answer]) -> list[Grade]:
    """1 for an answer that is an object or a list of JSON and nothing else, fenced or not; else
    0."""
    return [Grade(float(is_json(answer.text))) for answer in answers]


def is_json(text: str) -> bool:
    """Whether a text is an object or a list of JSON: a bare number or word is too, and is no sign
    that it was meant."""
    fenced = FENCED.fullmatch(text)
    try:
        value = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict | list)


JUDGE = Judge("json", "whether an answer is JSON", grades)
