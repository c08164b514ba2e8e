"""Signs: whether a contrast goes the way that the link of a reference model gives it."""

from typing import Any

from lab.errors import unknown
from lab.stats.intervals import MARGIN
from tellme.study.reference import LINKS

EXPECTED = {"linked": "+", "half": "+", "unlinked": "0", "inverted": "-"}
"""Of a contrast of self-reports. What a model does follows its training whatever the link."""
KEPT = (
    "behavior",
    "suite",
    "estimate",
    "ci_low",
    "ci_high",
    "equivalent_within",
    "num_seeds",
    "num_questions",
)
"""Of a contrast, beside its sign."""


def sign(model: str, contrast: dict[str, Any]) -> dict[str, Any]:
    """A contrast of first against second policy beside the sign that the link gives it. A zero is
    right within the margin."""
    if model not in EXPECTED:
        raise unknown("reference model", model, EXPECTED)
    expected = "+" if contrast["suite"] == "behavior" else EXPECTED[model]
    estimate, low, high = contrast["estimate"], contrast["ci_low"], contrast["ci_high"]
    right = {
        "+": low > 0,
        "-": high < 0,
        "0": abs(estimate) <= MARGIN and low <= MARGIN and high >= -MARGIN,
    }
    return {
        "model": model,
        "link": LINKS[model],
        **{name: contrast[name] for name in KEPT},
        "expected": expected,
        "right": right[expected],
    }
