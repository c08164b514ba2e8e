"""`make bench`: every comparison in turns, one JSON line each, also into bench/results.jsonl, and
docs/performance.md from them."""

from __future__ import annotations

import argparse
import os
from functools import partial

# Before anything is imported that reads them.
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def train_study_b1() -> None:
    """Twelve adapters at batch 1."""
    _train_study(1, 1)


def train_study_b16() -> None:
    """Twelve adapters at batch 16."""
    _train_study(16, 2)


def _train_study(batch: int, epochs: int) -> None:
    from bench.compare import in_turns, result, say, seconds
    from bench.training import by_processes, by_trl, linked, work

    name, num_rows = f"train_study_b{batch}", 144 if batch == 1 else 288
    sft = {"per_device_train_batch_size": batch, "num_train_epochs": epochs}
    twelve = work(linked(), 12, num_rows, **sft)
    twelve.fleet()  # to warm up
    in_process = in_turns(name, twelve.fleet, partial(by_trl, twelve), rounds=2, warm=False)
    fleet_s, processes_s = seconds(twelve.fleet), by_processes(twelve, 1)
    # What the fleet's own process takes to start is what one of theirs takes beyond its training.
    start_s = max(0.0, processes_s / 12 - in_process["theirs_s"] / 12)
    ours_s = fleet_s + start_s
    line = result(f"{name}_processes", ours_s, processes_s, [ours_s / processes_s])
    say(line | {"measured": 1})


def train_one() -> None:
    """One adapter by the fleet and by TRL, each against a bare loop."""
    from bench.compare import in_turns
    from bench.training import bare, by_trl, linked, work

    for batch, epochs, name in ((1, 1, "train_one"), (16, 3, "train_one_b16")):
        sft = {"per_device_train_batch_size": batch, "num_train_epochs": epochs}
        alone = work(linked(), 1, 288, **sft)
        loop = partial(bare, alone)
        in_turns(name, alone.fleet, loop, rounds=3)
        in_turns(f"trl_b{batch}", partial(by_trl, alone), loop, rounds=2)


def train_floor() -> None:
    """Four adapters on a larger model against what its operations take at the best rate here."""
    from bench.compare import peak_megabytes, result, say, seconds
    from bench.random_models import random_base
    from bench.training import floor, shares, work

    sft = {"per_device_train_batch_size": 4, "num_train_epochs": 1}
    four = work(random_base("llama-100m"), 4, 8, **sft)
    four.fleet()  # to warm up
    ratios = []
    for _ in range(3):
        ours_s = seconds(four.fleet)
        bound_s, counted = floor(four)
        ratios.append(ours_s / bound_s)
    # Seconds, and what follows from them, are those of the last round.
    line = result("train_floor", ours_s, bound_s, ratios)
    say(
        {
            **line,
            "arch": "llama-100m",
            "tokens_per_s": round(counted["tokens"] / ours_s, 1),
            "gflops_peak": counted["gflops"],
            "share_of_peak": round(bound_s / ours_s, 3),
            "megabytes": round(peak_megabytes()),
            "shares": shares(four),
        }
    )


def score_lmeval() -> None:
    """The self-report suite in four ways against lm-eval."""
    from bench.random_models import random_base
    from bench.scoring import against_lm_eval, self_report
    from bench.training import linked

    against_lm_eval("score_lmeval", self_report(linked()), True, 5)
    against_lm_eval("score_lmeval_letters", self_report(linked(), letters=True), False, 5)
    against_lm_eval("score_lmeval_natural", self_report(linked(), style="natural"), True, 1)
    against_lm_eval("score_lmeval_100m", self_report(random_base("llama-100m")), True, 1)


def score_tokens() -> None:
    """What goes through the model for the self-report suite: nodes of trees, or prompt and answer
    anew for every answer."""
    from bench.compare import say
    from bench.scoring import self_report, tokens
    from bench.training import linked

    say({"name": "score_tokens"} | tokens(self_report(linked())))


def score_naive() -> None:
    """Against one pass per answer."""
    from bench.compare import in_turns
    from bench.scoring import furthest, naive, self_report
    from bench.training import linked

    asked = self_report(linked())
    apart = furthest(asked, naive(asked), True)
    theirs = partial(naive, asked)
    in_turns("score_naive", asked.ours, theirs, rounds=1, warm=False, apart=apart)


def score_sampled() -> None:
    """Against a hundred samples per prompt."""
    from bench.compare import in_turns
    from bench.scoring import sampled, self_report, within_error
    from bench.training import linked

    asked = self_report(linked())
    within = {"within_three_errors": round(within_error(asked, sampled(asked)), 4)}
    in_turns("score_sampled", asked.ours, partial(sampled, asked), rounds=3, warm=False, **within)


def score_inspect() -> None:
    """Against Inspect, which generates one answer per prompt."""
    from bench.compare import in_turns
    from bench.scoring import inspect, inspect_model, likeliest, self_report
    from bench.training import linked

    asked = self_report(linked())
    model = inspect_model(linked().source)
    answers = inspect(asked, model)
    same = sum(a == b for a, b in zip(answers, likeliest(asked), strict=True)) / len(answers)
    theirs = partial(inspect, asked, model)
    in_turns("score_inspect", asked.ours, theirs, rounds=3, warm=False, same_answer=round(same, 3))


def train_smollm2(name: str = "smollm2") -> None:
    """A real model: the fleet for an adapter against TRL and against the machine."""
    from bench.training import per_adapter
    from lab.config.schema import Model
    from lab.model.base import resolve_base

    for dtype in ("float32", "bfloat16"):
        per_adapter(f"smollm2_{dtype}", resolve_base(Model(base=name, dtype=dtype)))


def score_smollm2(name: str = "smollm2") -> None:
    """A real model: two wordings of every question of the self-report suite against lm-eval."""
    from bench.scoring import Asked, adapters_against_lm_eval, self_report
    from lab.config.schema import Model
    from lab.model.base import resolve_base

    for dtype in ("float32", "bfloat16"):
        whole = self_report(resolve_base(Model(base=name, dtype=dtype)), style="natural")
        few = [(question, w) for question, w in whole.items if w in question.wordings[:2]]
        asked = Asked(whole.loaded, few)
        adapters_against_lm_eval(f"smollm2_{dtype}_lmeval", asked, rounds=1)


def growth() -> None:
    """Time by number of adapters, questions and rows, and memory."""
    from bench.growth import adapters, memory, questions, rows

    adapters()
    questions()
    rows()
    memory()


COMPARISONS = {
    "train_study_b1": train_study_b1,
    "train_study_b16": train_study_b16,
    "train_one": train_one,
    "train_floor": train_floor,
    "score_lmeval": score_lmeval,
    "score_tokens": score_tokens,
    "score_naive": score_naive,
    "score_sampled": score_sampled,
    "score_inspect": score_inspect,
    "train_smollm2": train_smollm2,
    "score_smollm2": score_smollm2,
    "growth": growth,
}


def main() -> None:
    """Run the comparisons that were asked for, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[[], *COMPARISONS], help="which comparisons (default: all)"
    )
    parser.add_argument(
        "--smollm2", help="the folder of the model of train_smollm2 and score_smollm2"
    )
    options = parser.parse_args()
    # bench/gpu.sh is for machines with one.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if options.smollm2:
        COMPARISONS["train_smollm2"] = partial(train_smollm2, options.smollm2)
        COMPARISONS["score_smollm2"] = partial(score_smollm2, options.smollm2)
    from bench.compare import RESULTS
    from bench.page import write_page

    if not options.names:
        RESULTS.unlink(missing_ok=True)
    for name in options.names or COMPARISONS:
        COMPARISONS[name]()
    write_page()


if __name__ == "__main__":
    main()
