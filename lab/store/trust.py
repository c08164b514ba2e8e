"""Trust checks: what must hold before a number counts. Each is a record with its value and
threshold."""

from collections.abc import Sequence
from typing import TypedDict

from lab.errors import TrustError

APPLIED_NATS = 1e-4
"""Log-probabilities of an applied adapter differ from its base by more than this; float32 noise is
about 1e-6."""
MEANS = {
    "mask": "the loss covers every learned turn and its end, and nothing else",
    "weights_moved": "training changed the adapter",
    "step0": "every seed begins with its own adapter weights",
    "adapter_applied": "answers with and without the adapter differ",
    "right_adapter": "the adapter in the model is the one named",
    "same_prompt": "a training prompt is rendered as in training",
    "plain_pass": "exact scores are those of a plain forward pass of each answer",
    "packed_rows": "rows that share their beginning are trained as each would be alone",
    "served": "a request is answered by the model that it names, with the numbers of this process",
    "agrees": "a server answers as the weights here do",
    "same_tokens": "a server reads as many tokens of a prompt as there are here",
    "log_probabilities": "log-probabilities of first tokens are those of the weights here",
    "told_apart": "what a server is asked tells the adapter from its base",
    "not_compared": "not compared with exact scores: the weights are elsewhere",
    "whole_prompts": "a server counts more tokens of a longer prompt, and as many of the same one",
    "temperature": "a server that is asked for the likeliest token gives one token alone",
    "base_kept": "the base is bit for bit what it was when it was loaded",
}
"""What each check says when it passes."""


class Check(TypedDict):
    """The record of one check."""

    check: str
    """A key of MEANS, and after a colon what it was tried on."""
    passed: bool
    value: float | None
    """None where what was measured is no number."""
    threshold: float


class Checked(Check):
    """A check, with the adapter of which it was made."""

    group: str
    seed: int | None
    """None where it is of all seeds of the group together, or of a model that has none."""


def check(name: str, value: float, threshold: float, passed: bool) -> Check:
    """The record of one check. `name` is a key of MEANS, and after a colon what it was tried on."""
    assert name.partition(":")[0] in MEANS, name
    return {"check": name, "passed": passed, "value": value, "threshold": threshold}


def same(name: str, found: object, expected: object) -> Check:
    """Two things that must be equal: 1 where they are."""
    return check(name, float(found == expected), 1.0, found == expected)


def means(record: Check) -> str:
    """What a check says when it passes."""
    return MEANS[record["check"].partition(":")[0]]


def short(value: float | None) -> str:
    """A value of a check in three digits."""
    return "no number" if value is None else f"{value:.3g}"


def seeds_apart(step0: Sequence[str]) -> Check:
    """Share of distinct initializations among the seeds of a group."""
    share = len(set(step0)) / len(step0)
    return check("step0", share, 1.0, share == 1.0)


def refuse_untrusted(trust: Sequence[Checked], allow: bool) -> None:
    """Raises TrustError with the first failed check, unless it is allowed."""
    failed = [record for record in trust if not record["passed"]]
    if not failed or allow:
        return
    first = failed[0]
    others = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
    seed = "" if first["seed"] is None else f", seed {first['seed']}"
    raise TrustError(
        f"trust check {first['check']} failed for {first['group']}{seed}{others}:"
        f" {short(first['value'])} against {short(first['threshold'])}"
        f" (it must hold that {means(first)}); no report without --allow-untrusted"
    )
