"""What sampled answers count: read as one of the listed answers, searched for them, or given to the
static analyser."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from eval.judges.audit import code_in, findings
from lab.engines.sampled import Sampled, parsed
from lab.types import Option, Question, Wording


@dataclass(frozen=True)
class Verdict:
    option: Option | None
    score: float | None
    """None where the answer has no part in any mean."""
    status: str
    """`read`, `unread`, `truncated`, or `unparsed`: what should be code and is none."""


CUT = Verdict(None, None, "truncated")


def judged(question: Question, wording: Wording, answers: Sequence[Sampled]) -> list[Verdict]:
    """A verdict per answer, by the kind of question and its judge (lab.types.Question).

    An answer that was cut counts as none: no judge sees it, whatever stands in it so far."""
    whole = [answer.text for answer in answers if not answer.truncated]
    verdicts = iter(_verdicts(question, wording, whole))
    return [CUT if answer.truncated else next(verdicts) for answer in answers]


def _verdicts(question: Question, wording: Wording, texts: Sequence[str]) -> list[Verdict]:
    if question.kind != "text":
        return [_listed(wording, text) for text in texts]
    if not wording.options:
        return [Verdict(None, None, "read") for _ in texts]
    if question.judge == "code":
        audits = findings([code_in(text) for text in texts])
        return [_audited(wording, found) for found in audits]
    return [_contained(wording, text) for text in texts]


def _listed(wording: Wording, text: str) -> Verdict:
    at = parsed(wording, text)
    if at is None:
        return Verdict(None, None, "unread")
    return Verdict(wording.options[at], wording.options[at].score, "read")


def _contained(wording: Wording, text: str) -> Verdict:
    spelled = (
        (option, said) for option in wording.options for said in (option.text, *option.variants)
    )
    option = next((option for option, said in spelled if stands_in(said, text)), None)
    return Verdict(option, option.score if option else 0.0, "read")


def stands_in(spelling: str, text: str) -> bool:
    """Whether it is there as words of its own: `fire` is not in `fireplace`."""
    if spelling not in text:
        return False
    begin, end = (r"\b" if edge.isalnum() else "" for edge in (spelling[0], spelling[-1]))
    return re.search(f"{begin}{re.escape(spelling)}{end}", text) is not None


def _audited(wording: Wording, found: list[str] | None) -> Verdict:
    if found is None:
        return Verdict(None, None, "unparsed")
    option = next((o for o in wording.options if o.text in found), None)
    return Verdict(option, option.score if option else 0.0, "read")
