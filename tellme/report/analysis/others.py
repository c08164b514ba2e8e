"""Questions about another person, beside those about the model, in the part that they play in a
verdict."""

import re

import pandas as pd

from lab.agreed import SELF_REPORT
from lab.specs import StudySpec

OTHERS = "other_person"
"""The suite of the lab that asks the questions of `self_report` about somebody else."""
OF_OTHER = re.compile("_other(?=(_flipped)?$)")
"""In the name of a question about another person, what the one about the model has not."""


def in_their_suites(wordings: pd.DataFrame, spec: StudySpec) -> pd.DataFrame:
    """The wordings (as from `per_wording`) as a verdict looks for them.

    Where the primary is a suite of the lab, `OTHERS` asks about others, and nothing changes. In a
    file of a user's, `NAME_other` does, where it says `about: other`: it stands in place of that
    suite, which asks something else, under the name of the question about the model. What shows
    what moved decides, whomever it is about."""
    if spec.primary_suite == SELF_REPORT or "about" not in wordings:
        return wordings
    of_primary = wordings["suite"] == spec.primary_suite
    of_others = of_primary & (wordings["about"] == "other")
    shows_moved = (wordings["suite"] == spec.moved) & (wordings["about"] != "self") & ~of_primary
    names = wordings["question"].str.replace(OF_OTHER, "", regex=True)
    placed = wordings.assign(
        suite=wordings["suite"].mask(of_others, OTHERS),
        question=wordings["question"].mask(of_others, names),
        presupposes=wordings["presupposes"] & ~of_others & ~shows_moved,
    )
    return placed[of_others | (wordings["suite"] != OTHERS)]
