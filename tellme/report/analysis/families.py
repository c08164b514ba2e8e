"""How the contrasts of a study are tested: which are counted together, a hierarchy of what it
declared with Holm's correction within each family, and which compare models seed by seed."""

from collections.abc import Sequence
from typing import TypedDict

from lab.config.primary import Side
from lab.specs import StudySpec
from lab.stats.multiplicity import holm

PRIMARY = "primary"
"""The family of the primary contrast, of several in a sweep."""
CONTROLS = "controls"
"""The family of controls that should show nothing. Their p-values are of equivalence, not of a
difference."""
FEWEST_PAIRS = 5
"""Seeds from which on two groups of the same prompts are compared seed by seed unless the study
says otherwise: with fewer of them the lost degrees of freedom cost more than pairs can give."""

Pair = tuple[Side, Side]
"""The sides of a contrast, first less second."""


class Tested(TypedDict):
    """What a family reads and writes of a contrast."""

    family: str | None
    p_value: float | None
    p_adjusted: float | None


def family_of(spec: StudySpec, pair: Pair, suite: str, behavior: str) -> str:
    """The family of a declared contrast on the questions of a suite about a behavior, pooled:
    PRIMARY, CONTROLS, or that of the secondary contrasts there, `SUITE, BEHAVIOR`."""
    if pair in spec.primary and suite == spec.primary_suite:
        return PRIMARY
    return CONTROLS if _expects_nothing(spec, pair) else f"{suite}, {behavior}"


def _expects_nothing(spec: StudySpec, pair: Pair) -> bool:
    """Whether a contrast is of a null control against the base, or against another null of the
    same group."""
    a, b = pair
    if not (isinstance(a, str) and isinstance(b, str)):
        return False
    (one, _, how), (other, _, how_other) = a.partition("@"), b.partition("@")
    nulls = {name: group.of for name, group in spec.groups.items() if group.null}
    if how != how_other or one == other:
        return False
    if one in nulls and other in nulls:
        return nulls[one] == nulls[other]
    return {one, other} - nulls.keys() == {"base"}


def fewest_pairs(spec: StudySpec, pair: Pair, primary: bool) -> int | None:
    """From how many seeds on the models of a contrast are compared seed by seed; None is never.
    `primary` says whether it is one, which a study may pair with fewer."""
    a, b = pair
    if spec.paired is False or not (isinstance(a, str) and isinstance(b, str)):
        return None
    groups = [spec.groups.get(side.partition("@")[0]) for side in (a, b)]
    prompts = [group.prompts if group else None for group in groups]
    if prompts[0] is None or prompts[0] != prompts[1]:
        return None
    return 2 if spec.paired and primary else FEWEST_PAIRS


def adjust(records: Sequence[Tested]) -> None:
    """Write the p-values of each family, adjusted by Holm's method. That every control is
    equivalent is claimed only where each one is, so those stay as they are."""
    families: dict[str, dict[str, float]] = {}
    for i, record in enumerate(records):
        if record["family"] and record["p_value"] is not None:
            families.setdefault(record["family"], {})[str(i)] = record["p_value"]
    for name, p_values in families.items():
        adjusted = p_values if name == CONTROLS else holm(p_values)
        for number, p in adjusted.items():
            records[int(number)]["p_adjusted"] = p
