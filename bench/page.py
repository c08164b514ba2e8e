"""docs/performance.md from bench/results.jsonl: what was measured beside the bar it is held to, and
why where it is missed."""

from __future__ import annotations

import json
from typing import Any

from bench.compare import RESULTS
from lab.discover import ROOT

PAGE = ROOT / "docs" / "performance.md"
WHAT = {
    "train_study_b1": (
        "12 adapters, batch 1: the fleet against one `SFTTrainer` after another on a loaded base",
        0.2,
    ),
    "train_study_b1_processes": (
        (
            "the same against one process each: one was run, the others are taken to be alike, and"
            " to ours is added its start"
        ),
        None,
    ),
    "train_study_b16": (
        "12 adapters, batch 16, 2 epochs: the fleet against one `SFTTrainer` after another",
        0.5,
    ),
    "train_study_b16_processes": ("the same against one process each, in the same way", None),
    "train_one": ("one adapter, batch 1: the fleet against a bare loop in torch and PEFT", 1.15),
    "train_one_b16": ("one adapter, batch 16: the fleet against that loop", 1.15),
    "trl_b1": ("one adapter, batch 1: `SFTTrainer` against that loop", None),
    "trl_b16": ("one adapter, batch 16: `SFTTrainer` against that loop", None),
    "train_floor": (
        (
            "113M weights: the fleet against counted operations at the measured rate of matrix"
            " products"
        ),
        2.0,
    ),
    "score_lmeval": (
        "whole self-report suite, answers with their end of turn: against lm-eval's `hf`",
        0.1,
    ),
    "score_lmeval_letters": ("its 12 letter prompts, single tokens: against lm-eval", 0.25),
    "score_lmeval_natural": (
        "the same suite in the wordings for real models: against lm-eval",
        0.1,
    ),
    "score_lmeval_100m": ("the whole suite on 113M weights: against lm-eval", 0.1),
    "score_naive": ("against one pass per answer", None),
    "score_sampled": ("against 100 samples at temperature 1 per prompt", 0.02),
    "score_inspect": ("against Inspect's `hf` generating one answer per prompt", None),
}


def write_page() -> None:
    lines = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    PAGE.write_text(page({line["name"]: line for line in lines}), encoding="utf-8")
    print(f"written: {PAGE}")


def page(found: dict[str, dict[str, Any]]) -> str:
    cores = next(iter(found.values()))["cores"]
    parts = [
        HEAD.format(cores=cores),
        table(found),
        NOTES.format(**_numbers(found)),
        _growth(found),
        _memory(found),
    ]
    return "\n".join(parts)


def table(found: dict[str, dict[str, Any]]) -> str:
    rows = [
        "| name | what | ours, s | theirs, s | ratio | rounds from - to | bar |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (what, bar) in WHAT.items():
        if name in found:
            f = found[name]
            verdict = (
                "" if bar is None else f"{bar:g}: {'met' if f['ratio'] <= bar else '**missed**'}"
            )
            rows.append(
                f"| `{name}` | {what} | {f['ours_s']:g} | {f['theirs_s']:g} | {f['ratio']:.3f} |"
                f" {f['ratio_low']:.3f} - {f['ratio_high']:.3f} | {verdict} |"
            )
    return "\n".join([*rows, ""])


def _numbers(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    apart = max(f["apart"] for f in found.values() if "apart" in f)
    numbers: dict[str, Any] = {
        "profile": ", ".join(
            f"`{op}` {share:.0%}" for op, share in found["train_floor"]["shares"].items()
        )
    }
    bound = found["train_floor"]
    numbers["mm"] = f"{bound['theirs_s'] / bound['ours_s'] / bound['shares']['mm']:.0%}"
    read = {
        name: found["score_tokens"][name]
        for name in ("nodes", "nodes_without_scales", "one_by_one")
    }
    numbers |= read | {"tokens": f"{read['nodes'] / read['one_by_one']:.2f}"}
    numbers["large"] = f"{found['score_lmeval_100m']['ratio']:.2f}"
    numbers["natural"] = (
        f"{found['score_lmeval_natural']['render_s']:.2f} of"
        f" {found['score_lmeval_natural']['ours_s']:.2f}"
    )
    numbers |= {part: f"{found['score_lmeval'][f'{part}_s']:.2f}" for part in ("render", "compute")}
    numbers |= {
        "apart": f"{apart:.1e}",
        "within": found["score_sampled"]["within_three_errors"],
        "same": found["score_inspect"]["same_answer"],
    }
    return numbers | {
        "share": f"{found['train_floor']['share_of_peak']:.0%}",
        "gflops": found["train_floor"]["gflops_peak"],
    }


def _growth(found: dict[str, dict[str, Any]]) -> str:
    rows = [
        "## Growth",
        "",
        "Slope of log time over log size: 1 is proportional, 0 does not depend on it.",
        "",
        "| | sizes | seconds | slope |",
        "|---|---|---|---|",
    ]
    for name in ("growth_adapters", "growth_questions", "growth_rows"):
        f = found[name]
        rows.append(
            f"| {name.partition('_')[2]} | {', '.join(map(str, f['sizes']))} |"
            f" {', '.join(map(str, f['seconds']))} | {f['slope']:.2f} |"
        )
    return "\n".join([*rows, ""])


def _memory(found: dict[str, dict[str, Any]]) -> str:
    rows = [
        "## Memory",
        "",
        (
            "The most that a process held, in MB; `nothing` has imported the libraries and loaded"
            " the base."
        ),
        "",
        "| | MB |",
        "|---|---|",
    ]
    rows += [
        f"| {name.partition('_')[2]} | {f['megabytes']} |"
        for name, f in found.items()
        if name.startswith("memory_")
    ]
    return "\n".join([*rows, ""])


HEAD = """# Performance

Written by `make bench` ({cores} CPU cores; bench/results.jsonl has the lines). Both sides of a comparison are timed in turns in one
process; a ratio is ours over theirs, the median of the rounds, with the lowest and the highest round beside it. On a machine
that other work shares, times move by a third from one minute to the next, and ratios by much less. The model is
`reference/linked` (0.8M weights) where nothing else is said. No number here was measured on a GPU:
`python -m bench --device cuda --arch qwen2.5-7b` measures tokens per second, share of peak and memory there with random weights.
"""
NOTES = """Answers are equal: the largest difference of a probability from lm-eval and from one pass per answer is {apart}; of the sampled
shares {within:.1%} lie within three standard errors; Inspect's greedy answer is the likeliest listed one for {same:.0%} of prompts.

## What makes the difference, and what is left

- **Training.** All adapters of a study go through one forward and backward, in which the frozen base is read once and each row goes
  through its own adapter (`train/fleet.py`). The head runs at the tokens that are learned only, and rows of like length stand together.
  At batch 1 the steps of twelve adapters cost little more than those of one; at batch 16 the processor is busy with one adapter
  already, and what is saved is the head, padding, and what a trainer does around a step.
- **`train_floor`.** The fleet computes at {share} of the rate that the largest matrix product alone reaches here ({gflops:.0f} GFLOP/s). Its
  profile, by operation: {profile}. `mm` are the products of the frozen weights, at {mm} of that rate; what is no product of large matrices is what the floor leaves out: attention, norms, activations and rotary embeddings pass over memory without a product; adapters
  of rank 8 are products with a side of 8, at a fraction of that rate; and the gradient passes through all of these again.
- **`score_lmeval`.** lm-eval reads prompt and answer anew for each of 3,852 answers, {one_by_one} tokens; the trees of the same answers have {nodes} nodes, {nodes_without_scales}
  without the questions with scales. That is {tokens} before anything else is done, and {large} on a model that is large enough to be busy (`score_lmeval_100m`). On
  a tiny one, {render} s of ours are rendering and tokenizing and {compute} s the model; in the wordings for real models (`score_lmeval_natural`) {natural} s are the
  former. The lab tokenizes three texts for each answer, to see that no tokens merge where lm-eval takes that for granted. In a study this is done once for all adapters on a base.
- **`score_sampled`.** A hundred samples of an answer of two tokens are one prompt and a few steps of a batch of a hundred, which a tiny model hardly feels;
  the exact scores of a scale take 101 answers through the model, and rendering alone is more than the bar. What sampling costs beside it is its error: a share of
  a hundred samples is off by up to 0.05 (one standard error), the exact one by {apart}.
- **`score_lmeval_letters`.** Twelve prompts of a dozen tokens are one pass of a tiny model for either; most of a call is Python, and the lab also
  computes the end of turn, which lm-eval is not asked for there.
"""
