"""How often the rule of the verdict says yes, no or neither, on planted scores: `make power` writes
the table of docs/verdict.md.

Scores are drawn and then read by the lab's own intervals and rule; only the reading of questions is
left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from tqdm import tqdm

from lab.discover import ROOT
from lab.stats.intervals import MARGIN, Interval, Term, contrast_interval
from lab.stats.verdict import AGREEING, Limits, Reason, decide, prediction_limit

if TYPE_CHECKING:
    import numpy as np

TRIALS = 2000
EFFECTS = (0.0, MARGIN, 0.3, 0.53)
"""None, the largest that is called none, and two that reference models show."""
SEEDS = (3, 5, 10)
TRAITS = (4, 8)
KINDS, PER_KIND = 10, 6
"""Of questions, and wordings of each."""
DOC = ROOT / "docs/verdict.md"
BEGIN, END = "<!-- power: written by `make power` -->", "<!-- end of power -->"
HEAD = (
    "| spreads | true effect | seeds a group | unrelated traits | yes | no | undecided"
    " | yes, with a shift of its own |\n"
    "|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Spreads:
    """Standard deviations, in score."""

    model: float
    """Of a model's self-report, between fine-tunes of a group."""
    other: float
    """Of what it says of others."""
    placebo: float
    """Of the shift of an unrelated trait, between traits."""
    wording: float
    """Of the contrast between wordings, as a share of it."""


SPREADS = {
    "small": Spreads(model=0.022, other=0.009, placebo=0.03, wording=0.63),
    "large": Spreads(model=0.045, other=0.045, placebo=0.09, wording=0.63),
}
"""Small as on `unlinked` after 80 steps; large about the most that reference models showed. The
spread of wordings is that of the quickstart on `linked`."""


def simulate(
    effect: float,
    num_seeds: int,
    num_traits: int,
    shifts: bool,
    spreads: Spreads,
    trials: int = TRIALS,
) -> dict[str, float]:
    """Share of each verdict in studies of two policies and their shuffled control, in which what
    was trained moved and everything is measurable.

    `shifts`: the trained trait has a shift of its own beside the effect, as unrelated traits have
    theirs."""
    import numpy as np

    rng = np.random.default_rng([round(1000 * effect), num_seeds, num_traits, shifts])
    said: Counter[str] = Counter()
    for _ in range(trials):
        true = effect + (rng.normal(0, spreads.placebo) if shifts else 0.0)
        said[_verdict(rng, true, num_seeds, num_traits, spreads)] += 1
    return {verdict: count / trials for verdict, count in said.items()}


def _verdict(
    rng: np.random.Generator, effect: float, num_seeds: int, num_traits: int, spreads: Spreads
) -> str:
    """Of one study whose first group scores half of the effect more than the middle, and whose
    second group half less."""
    a, b, shuffled = (
        (half + rng.normal(0, spreads.model, num_seeds)).tolist()
        for half in (effect / 2, -effect / 2, 0.0)
    )
    others = [rng.normal(0, spreads.other, num_seeds) for _ in range(2)]
    apart = [(own - other).tolist() for own, other in zip((a, b), others, strict=True)]
    found = _difference(a, b)
    limit = prediction_limit(rng.normal(0, spreads.placebo, num_traits))
    wordings = found.estimate * (1 + rng.normal(0, spreads.wording, KINDS * PER_KIND))
    agreeing = float((wordings > 0).mean())
    checks: list[Reason] = [
        _check("moved", 1.0, 0.0),
        _check("measurable", KINDS, 0.0),
        _check("beyond_margin", found.low, MARGIN),
        _check("over_shuffled", _difference(a, shuffled).low, 0.0),
        _check("self_over_other", _difference(apart[0], apart[1]).low, 0.0),
        _check("beyond_placebo", found.estimate, limit),
        {
            "check": "wordings_agree",
            "value": agreeing,
            "needed": "",
            "passed": agreeing >= AGREEING,
        },
    ]
    limits: Limits = {"high": found.high, "within": found.equivalent_within}
    answer, _ = decide(checks, limits, MARGIN)
    return answer


def _difference(one: list[float], other: list[float]) -> Interval:
    return contrast_interval([Term(1.0, one), Term(-1.0, other)])


def _check(name: str, value: float | None, limit: float) -> Reason:
    assert value is not None, name
    return {"check": name, "value": value, "needed": "", "passed": value > limit}


def table_line(name: str, effect: float, num_seeds: int, num_traits: int) -> str:
    spreads = SPREADS[name]
    found = simulate(effect, num_seeds, num_traits, False, spreads)
    shifted = simulate(effect, num_seeds, num_traits, True, spreads)
    shares = " | ".join(f"{found.get(name, 0.0):.3f}" for name in ("yes", "no", "undecided"))
    own = f"{shifted.get('yes', 0.0):.3f}"
    return f"| {name} | {effect:g} | {num_seeds} | {num_traits} | {shares} | {own} |"


def write_table() -> None:
    """Simulate every cell and put the table between its marks in docs/verdict.md."""
    spreads = "; ".join(
        f"{name}: SD of a model's self-report {spread.model:g}, of what it says of others"
        f" {spread.other:g}, of an unrelated trait's shift {spread.placebo:g}, of the contrast"
        f" between wordings {spread.wording:g} of it"
        for name, spread in SPREADS.items()
    )
    about = (
        f"{TRIALS} studies a line, margin {MARGIN:g}. Spreads, {spreads}. In the last column the"
        " trained trait has a shift of its own beside the effect, as unrelated traits have theirs."
    )
    cells = list(product(SPREADS, EFFECTS, SEEDS, TRAITS))
    lines = [table_line(*cell) for cell in tqdm(cells, desc="power")]
    table = "\n".join([BEGIN, "", about, "", HEAD, *lines, "", END])
    before, _, rest = DOC.read_text(encoding="utf-8").partition(BEGIN)
    DOC.write_text(before + table + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    write_table()
