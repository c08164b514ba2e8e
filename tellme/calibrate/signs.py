"""Signs: whether a contrast goes the way that the link of a reference model gives it."""

from lab.errors import unknown
from lab.stats.intervals import MARGIN
from lab.table import Bounds
from tellme.report.analysis.contrasts import ContrastRecord
from tellme.study.reference import LINKS

EXPECTED = {"linked": "+", "half": "+", "unlinked": "0", "inverted": "-"}
"""Of a contrast of self-reports. What a model does follows its training whatever the link."""


class Sign(Bounds):
    """A contrast on a reference model, and whether it goes the way that it must."""

    model: str
    link: float
    behavior: str
    suite: str
    estimate: float
    equivalent_within: float | None
    num_seeds: int
    num_questions: int
    expected: str
    right: bool


def sign(model: str, contrast: ContrastRecord) -> Sign:
    """A contrast of first against second policy beside the sign that the link gives it. A zero is
    right within the margin."""
    if model not in EXPECTED:
        raise unknown("reference model", model, EXPECTED)
    expected = "+" if contrast["suite"] == "behavior" else EXPECTED[model]
    estimate, low, high = contrast["estimate"], contrast["ci_low"], contrast["ci_high"]
    # A calibration has at least two seeds a side (calibrate.py, FEWEST_SEEDS).
    assert low is not None, contrast
    assert high is not None, contrast
    right = {
        "+": low > 0,
        "-": high < 0,
        "0": abs(estimate) <= MARGIN and low <= MARGIN and high >= -MARGIN,
    }
    return {
        "model": model,
        "link": LINKS[model],
        "behavior": contrast["behavior"],
        "suite": contrast["suite"],
        "estimate": estimate,
        "ci_low": low,
        "ci_high": high,
        "equivalent_within": contrast["equivalent_within"],
        "num_seeds": contrast["num_seeds"],
        "num_questions": contrast["num_questions"],
        "expected": expected,
        "right": right[expected],
    }
