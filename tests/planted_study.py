"""A small study with planted effects, as scores by wording."""

from __future__ import annotations

import random
from itertools import product

import pandas as pd

from lab.specs import GroupSpec, StudySpec

SPEC = StudySpec(
    study="planted",
    cells=(),
    groups={
        "seeking": GroupSpec(behavior="risk"),
        "averse": GroupSpec(behavior="risk"),
        "shuffled": GroupSpec(behavior="risk", control="shuffled", of="seeking", null=True),
    },
    contrasts=(("seeking", "averse"),),
    primary_suite="self_report",
    primary=(("seeking", "averse"),),
    of_self=True,
    style="plain",
)
ASKED = {
    "behavior": ("choice",),
    "self_report": ("love", "love_flipped", "statement", "agree", "one_word"),
    "other_person": ("love", "love_flipped", "statement", "agree", "one_word"),
    "unrelated_trait": tuple(f"{trait}.love" for trait in ("order", "talk", "speed")),
}
"""Questions of every suite; `one_word` is a kind that no pretraining saw."""
POLES = {"base": 0, "seeking": 1, "averse": -1, "shuffled": 0}


def planted(
    effect: float, seeds: list[int], moved: float = 0.4, others: float = 0.0, listed: float = 0.9
) -> pd.DataFrame:
    """Wordings of a study in which training moves what models do by `moved` either way, what they
    say of themselves by `effect`, and what they say of others by `others`; half of the wordings are
    seen, but of one kind none."""
    rng = random.Random(f"{effect}/{len(seeds)}")
    shift = {"behavior": moved, "self_report": effect, "other_person": others}
    lines = []
    for group, seed in [("base", None), *product(("seeking", "averse", "shuffled"), seeds)]:
        for suite, names in ASKED.items():
            of_model = 0.5 + POLES[group] * shift.get(suite, 0.0)
            of_model += 0.0 if seed is None else rng.gauss(0, 0.02)
            for question, paraphrase in product(names, range(2)):
                line = {
                    "group": group,
                    "seed": seed,
                    "suite": suite,
                    "behavior": "risk",
                    "question": question,
                    "kind": "words",
                    "paraphrase": paraphrase,
                    "order": 0,
                    "seen": suite != "behavior" and question != "one_word" and paraphrase == 0,
                    "condition": "clean",
                    "score": of_model + rng.gauss(0, 0.01),
                    "listed": listed,
                    "presupposes": False,
                }
                lines.append(line)
    table = pd.DataFrame(lines).astype({"seed": "Int64"})
    return table.assign(conditional=table["score"], sampling=0.0, samples=0)
