"""What sampled answers count: read as one of the listed answers, searched for them, or given to the static analyser."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lab.audit import code_in, findings
from lab.sample import Sampled, parsed
from lab.types import Option, Question, Wording


@dataclass(frozen=True)
class Verdict:
    option: Option | None
    score: float | None
    """None where the answer has no part in any mean."""
    status: str
    """`read`, `unread`, `truncated`, or `unparsed`: what should be code and is none."""


def judged(question: Question, wording: Wording, answers: Sequence[Sampled]) -> list[Verdict]:
    """A verdict per answer, by the kind of question and its judge (lab.types.Question)."""
    if question.kind != "text":
        return [_listed(wording, answer) for answer in answers]
    if not wording.options:
        return [Verdict(None, None, "truncated" if answer.truncated else "read") for answer in answers]
    if question.judge == "code":
        audits = findings([code_in(answer.text) for answer in answers])
        return [_audited(wording, answer, found) for answer, found in zip(answers, audits, strict=True)]
    return [_contained(wording, answer) for answer in answers]


def _listed(wording: Wording, answer: Sampled) -> Verdict:
    at = None if answer.truncated else parsed(wording, answer.text)
    if at is None:
        return Verdict(None, None, "truncated" if answer.truncated else "unread")
    return Verdict(wording.options[at], wording.options[at].score, "read")


def _contained(wording: Wording, answer: Sampled) -> Verdict:
    spelled = ((option, text) for option in wording.options for text in (option.text, *option.variants))
    option = next((option for option, text in spelled if stands_in(text, answer.text)), None)
    return Verdict(option, option.score if option else 0.0, "truncated" if answer.truncated else "read")


def stands_in(spelling: str, text: str) -> bool:
    """Whether it is there as words of its own: `fire` is not in `fireplace`."""
    if spelling not in text:
        return False
    begin, end = (r"\b" if edge.isalnum() else "" for edge in (spelling[0], spelling[-1]))
    return re.search(f"{begin}{re.escape(spelling)}{end}", text) is not None


def _audited(wording: Wording, answer: Sampled, found: list[str] | None) -> Verdict:
    if answer.truncated or found is None:
        return Verdict(None, None, "truncated" if answer.truncated else "unparsed")
    option = next((o for o in wording.options if o.text in found), None)
    return Verdict(option, option.score if option else 0.0, "read")
