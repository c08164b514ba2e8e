"""Questions that a user brings, in the part that they play in a verdict."""

import pandas as pd

from lab.specs import StudySpec

OTHERS = "other_person"
"""The suite of questions about somebody else's trait."""
OF_OTHER = "_other"
"""Ending of the name of a question about another person, beside the one about the model in the
same file."""


def in_their_suites(wordings: pd.DataFrame, spec: StudySpec) -> pd.DataFrame:
    """The wordings (as from `per_wording`) with those about another person in the suite of these,
    under the names of the questions about the model; and those that show what moved as questions
    that decide, whomever they are about."""
    if "about" not in wordings:
        return wordings
    of_others = wordings["about"] == "other"
    not_of_self = wordings["about"] != "self"
    counts = of_others | (not_of_self & (wordings["suite"] == spec.moved))
    names = wordings["question"].str.removesuffix(OF_OTHER)
    return wordings.assign(
        suite=wordings["suite"].mask(of_others, OTHERS),
        question=wordings["question"].mask(of_others, names),
        presupposes=wordings["presupposes"] & ~counts,
    )
