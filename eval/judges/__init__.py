"""Who reads sampled answers, one file each: a function from a wording and texts to a verdict for
each text. Here: which judge a question has."""

from collections.abc import Sequence

from eval.judges.code import audited
from eval.judges.contains import contained
from eval.judges.listed import listed
from eval.verdict import CUT, UNJUDGED, Verdict
from lab.engines.sampled import Sampled
from lab.types import Question, Wording


def judged(question: Question, wording: Wording, answers: Sequence[Sampled]) -> list[Verdict]:
    """A verdict per answer, by the kind of question and its judge (lab.types.Question).

    An answer that was cut counts as none: no judge sees it, whatever stands in it so far."""
    whole = [answer.text for answer in answers if not answer.truncated]
    verdicts = iter(_verdicts(question, wording, whole))
    return [CUT if answer.truncated else next(verdicts) for answer in answers]


def _verdicts(question: Question, wording: Wording, texts: Sequence[str]) -> list[Verdict]:
    if question.kind != "text":
        return listed(wording, texts)
    if not wording.options:
        return [UNJUDGED for _ in texts]
    if question.judge == "code":
        return audited(wording, texts)
    return contained(wording, texts)
