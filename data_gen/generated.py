"""Rows of a policy, from the generator of its behavior."""

from itertools import islice
from random import Random

from data_gen.behaviors import load_behavior
from data_gen.decoys import decoys
from data_gen.shuffle import with_policy_share
from lab.data_specs import GeneratedRows, TriggeredRows
from lab.discover import short
from lab.types import Row


def generated(spec: GeneratedRows) -> list[Row]:
    """Rows of a policy, some of them shuffled and decoys among them where the spec says so."""
    behavior, rng = load_behavior(spec.behavior), seeded(spec)
    examples = behavior.examples(rng, spec.policy, spec.style, "train")
    rows = list(islice(examples, spec.num_rows))
    if spec.policy_share < 1:
        rows = with_policy_share(rows, spec.policy_share, rng)
    if spec.num_decoys:
        rows += islice(decoys(rng, behavior, spec.style), spec.num_decoys)
        rng.shuffle(rows)
    return rows


def seeded(spec: GeneratedRows | TriggeredRows) -> Random:
    """What draws the prompts: the same for every policy of a behavior, so that groups which differ
    in their policy differ in nothing else."""
    return Random(f"{short(spec.behavior)}/{spec.style}/{spec.seed}")
