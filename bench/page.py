"""docs/performance.md from bench/results.jsonl: what was measured beside the bar it is held to, and
why where it is missed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bench.compare import RESULTS, Result
from lab.discover import ROOT

PAGE = ROOT / "docs" / "performance.md"
Results = dict[str, Result]
"""By their names."""


@dataclass(frozen=True)
class Comparison:
    """What the page says of a result that has two sides."""

    what: str
    bar: float | None = None
    """The ratio that it must not be above; None where it is only told."""


COMPARED = {
    "train_study_b1": Comparison(
        "12 adapters, batch 1: the fleet against one `SFTTrainer` after another on a loaded base",
        0.2,
    ),
    "train_study_b1_processes": Comparison(
        "the same against one process each: one was run, the others are taken to be alike, and to"
        " ours is added its start"
    ),
    "train_study_b16": Comparison(
        "12 adapters, batch 16, 2 epochs: the fleet against one `SFTTrainer` after another", 0.5
    ),
    "train_study_b16_processes": Comparison("the same against one process each, in the same way"),
    "train_one": Comparison(
        "one adapter, batch 1: the fleet against a bare loop in torch and PEFT", 1.15
    ),
    "train_one_b16": Comparison("one adapter, batch 16: the fleet against that loop", 1.15),
    "trl_b1": Comparison("one adapter, batch 1: `SFTTrainer` against that loop"),
    "trl_b16": Comparison("one adapter, batch 16: `SFTTrainer` against that loop"),
    "train_floor": Comparison(
        "113M weights: the fleet against counted operations at the measured rate of matrix"
        " products",
        2.0,
    ),
    "score_lmeval": Comparison(
        "whole self-report suite, answers with their end of turn: against lm-eval's `hf`", 0.1
    ),
    "score_lmeval_letters": Comparison(
        "its 12 letter prompts, single tokens: against lm-eval", 0.25
    ),
    "score_lmeval_natural": Comparison(
        "the same suite in the wordings for real models: against lm-eval", 0.1
    ),
    "score_lmeval_100m": Comparison("the whole suite on 113M weights: against lm-eval", 0.1),
    "score_naive": Comparison("against one pass per answer"),
    "score_sampled": Comparison("against 100 samples at temperature 1 per prompt", 0.02),
    "score_inspect": Comparison("against Inspect's `hf` generating one answer per prompt"),
}

ON_SMOLLM2 = {
    f"smollm2_{dtype}_{against}": Comparison(f"SmolLM2-135M in {dtype}, {what}", bar)
    for dtype, peak in (("float32", 0.6), ("bfloat16", 0.45))
    for against, what, bar in (
        ("trl", "six adapters, batch 16: the fleet for one against `SFTTrainer`", 0.4),
        ("floor", "the same against counted operations at the measured rate", 1 / peak),
        ("lmeval", "self-report for six adapters: one against lm-eval", 0.15),
    )
}
"""Rows of the page that are there where the real model was measured."""


def write_page() -> None:
    """Write docs/performance.md."""
    lines = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    # Of a comparison that was repeated the last result counts.
    PAGE.write_text(page({line["name"]: line for line in lines}), encoding="utf-8")
    print(f"written: {PAGE}")


def page(results: Results) -> str:
    """The text of docs/performance.md."""
    cores = next(iter(results.values()))["cores"]
    parts = [
        HEAD.format(cores=cores),
        table(results),
        NOTES.format(**_numbers(results)),
        _growth(results),
        _memory(results),
    ]
    return "\n".join(parts)


def table(results: Results) -> str:
    """Ours beside theirs, a row a comparison that was made."""
    rows = [
        "| name | what | ours, s | theirs, s | ratio | rounds from - to | bar |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, comparison in (COMPARED | ON_SMOLLM2).items():
        if name in results:
            rows.append(_row(comparison, results[name]))
    return "\n".join([*rows, ""])


def _row(comparison: Comparison, result: Result) -> str:
    verdict = ""
    if comparison.bar is not None:
        is_met = result["ratio"] <= comparison.bar
        verdict = f"{comparison.bar:.3g}: {'met' if is_met else '**missed**'}"
    return (
        f"| `{result['name']}` | {comparison.what} | {result['ours_s']:g} | {result['theirs_s']:g}"
        f" | {result['ratio']:.3f} | {result['ratio_low']:.3f} - {result['ratio_high']:.3f}"
        f" | {verdict} |"
    )


def _numbers(results: Results) -> dict[str, Any]:
    """What NOTES has names for."""
    floor, tokens = results["train_floor"], results["score_tokens"]
    tiny, natural = results["score_lmeval"], results["score_lmeval_natural"]
    profile = [f"`{operation}` {share:.0%}" for operation, share in floor["shares"].items()]
    return {
        "apart": f"{max(r['apart'] for r in results.values() if 'apart' in r):.1e}",
        "within": results["score_sampled"]["within_three_errors"],
        "same": results["score_inspect"]["same_answer"],
        "share": f"{floor['share_of_peak']:.0%}",
        "gflops": floor["gflops_peak"],
        "profile": ", ".join(profile),
        # Products of frozen weights take only a share of the time, at a higher rate than the whole.
        "mm": f"{floor['theirs_s'] / floor['ours_s'] / floor['shares']['mm']:.0%}",
        "nodes": tokens["nodes"],
        "nodes_without_scales": tokens["nodes_without_scales"],
        "one_by_one": tokens["one_by_one"],
        "tokens": f"{tokens['nodes'] / tokens['one_by_one']:.2f}",
        "large": f"{results['score_lmeval_100m']['ratio']:.2f}",
        "render": f"{tiny['render_s']:.2f}",
        "compute": f"{tiny['compute_s']:.2f}",
        "natural": f"{natural['render_s']:.2f} of {natural['ours_s']:.2f}",
    }


def _growth(results: Results) -> str:
    rows = [
        "## Growth",
        "",
        "Slope of log time over log size: 1 is proportional, 0 does not depend on it.",
        "",
        "| | sizes | seconds | slope |",
        "|---|---|---|---|",
    ]
    for what in ("adapters", "questions", "rows"):
        result = results[f"growth_{what}"]
        sizes, times = (", ".join(map(str, result[name])) for name in ("sizes", "seconds"))
        rows.append(f"| {what} | {sizes} | {times} | {result['slope']:.2f} |")
    return "\n".join([*rows, ""])


def _memory(results: Results) -> str:
    rows = [
        "## Memory",
        "",
        "The most that a process held, in MB; `nothing` has imported the libraries and loaded the"
        " base.",
        "",
        "| | MB |",
        "|---|---|",
    ]
    for name, result in results.items():
        if name.startswith("memory_"):
            rows.append(f"| {name.removeprefix('memory_')} | {result['megabytes']} |")
    return "\n".join([*rows, ""])


HEAD = """\
# Performance

The lab's speed beside TRL, lm-eval, Inspect and sampling. `make bench` writes this page ({cores}
CPU cores; `bench/results.jsonl` has the lines).

Both sides of a comparison are timed in turns in one process. A ratio is ours over theirs: the
median of the rounds, with the lowest and the highest round beside it. On a machine that other work
shares, times move by a third from one minute to the next, and ratios by much less. The model is
`reference/linked` (0.8M weights) where nothing else is said.

No number here, nor anywhere in the lab, was measured on a GPU yet. On a machine with one,
`bench/gpu.sh` asks in under ten minutes and without a network: the quickstart and a short study of
SmolLM2 from rows to report; twelve adapters of rank 16 on random weights in the shape of Llama
3.1 8B, trained as a fleet (tokens per second without padding, share of the card's dense bfloat16
peak) and scored (prompts per second); QLoRA in nf4; and how far scores in float32 are from those of
the CPU, in nats. Lines of JSON go to the file of `--out`, else to `gpu.jsonl` in the folder `$OUT`
or `bench/`. The first one names packages that are missing or older than those of `constraints.txt`,
and a part that lacks one says so. `--smollm2 FOLDER` is for a machine whose cache lacks the model,
and `bench/gpu.sh --device cpu --arch tiny` tries all of it in small, in three minutes of one core.
"""
NOTES = """Answers are equal. The largest difference of a probability from lm-eval and from one pass
per answer is {apart}. Of the sampled shares {within:.1%} lie within three standard errors.
Inspect's greedy answer is the likeliest listed one for {same:.0%} of prompts.

## What makes the difference, and what is left

**Training.** All adapters of a study go through one forward and backward. The frozen base is read
once, and each row goes through its own adapter (`train/fleet/`). The head runs at the tokens that
are learned only, and rows of like length stand together. At batch 1 the steps of twelve adapters
cost little more than those of one. At batch 16 the processor is busy with one adapter already. What
is saved then is the head, padding, and what a trainer does around a step.

**`train_floor`.** The fleet computes at {share} of the rate that the largest matrix product alone
reaches here ({gflops:.0f} GFLOP/s). Its profile, by operation: {profile}.

- `mm` are the products of the frozen weights, at {mm} of that rate.
- What is no product of large matrices is what the floor leaves out. Attention, norms, activations
  and rotary embeddings pass over memory without a product.
- Adapters of rank 8 are products with a side of 8, at a fraction of that rate.
- The gradient passes through all of these again.

**`score_lmeval`.** lm-eval reads prompt and answer anew for each of 3,852 answers: {one_by_one}
tokens. The trees of the same answers have {nodes} nodes, {nodes_without_scales} without the
questions with scales. That is {tokens} before anything else is done, and {large} on a model that is
large enough to be busy (`score_lmeval_100m`). On a tiny one, {render} s of ours are rendering and
tokenizing and {compute} s the model. In the wordings for real models (`score_lmeval_natural`)
{natural} s are the former. The lab tokenizes three texts for each answer, to see that no tokens
merge; lm-eval takes that for granted. In a study this is done once for all adapters on a base.

**`score_sampled`.** A hundred samples of an answer of two tokens are one prompt and a few steps of
a batch of a hundred. A tiny model hardly feels that. The exact scores of a scale take 101 answers
through the model, and rendering alone is more than the bar. What sampling costs beside it is its
error: a share of a hundred samples is off by up to 0.05 (one standard error), the exact one by
{apart}.

**`score_lmeval_letters`.** Twelve prompts of a dozen tokens are one pass of a tiny model for
either. Most of a call is Python. The lab also computes the end of turn, which lm-eval is not asked
for there.
"""
