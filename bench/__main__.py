"""`make bench`: every comparison in turns, one JSON line each, also into bench/results.jsonl, and
docs/performance.md from them."""

from __future__ import annotations

import argparse
import os
from functools import partial

os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def train_study(batch: int, epochs: int) -> None:
    from bench.compare import in_turns, say, seconds
    from bench.training import by_processes, by_trl, linked, work

    twelve = work(
        linked(),
        12,
        144 if batch == 1 else 288,
        per_device_train_batch_size=batch,
        num_train_epochs=epochs,
    )
    twelve.fleet()
    found = in_turns(
        f"train_study_b{batch}", twelve.fleet, lambda: by_trl(twelve), rounds=2, warm=False
    )
    fresh, theirs = seconds(twelve.fleet), by_processes(twelve, 1)
    # What the fleet's own process takes to start is what one of theirs takes beyond its training.
    start = max(0.0, theirs / 12 - found["theirs_s"] / 12)
    ratio = round((fresh + start) / theirs, 4)
    say(
        {
            "name": f"train_study_b{batch}_processes",
            "ours_s": round(fresh + start, 3),
            "theirs_s": round(theirs, 3),
            "ratio": ratio,
            "ratio_low": ratio,
            "ratio_high": ratio,
            "measured": 1,
        }
    )


def train_study_b1() -> None:
    train_study(1, 1)


def train_study_b16() -> None:
    train_study(16, 2)


def train_one() -> None:
    from bench.compare import in_turns
    from bench.training import bare, by_trl, linked, work

    for batch in (1, 16):
        alone = work(
            linked(),
            1,
            288,
            per_device_train_batch_size=batch,
            num_train_epochs=1 if batch == 1 else 3,
        )
        in_turns(
            "train_one" if batch == 1 else "train_one_b16",
            alone.fleet,
            partial(bare, alone),
            rounds=3,
        )
        in_turns(f"trl_b{batch}", partial(by_trl, alone), partial(bare, alone), rounds=2)


def train_floor(arch: str = "llama-100m") -> None:
    import torch

    from bench.compare import peak_megabytes, say, seconds
    from bench.training import floor, random_base, shares, work

    some = work(random_base(arch), 4, 8, per_device_train_batch_size=4, num_train_epochs=1)
    some.fleet()
    pairs = []
    for _ in range(3):
        mine = seconds(some.fleet)
        bound, counted = floor(some)
        pairs.append((mine, bound, counted))
    ratios = sorted(mine / bound for mine, bound, _ in pairs)
    mine, bound, counted = pairs[-1]
    more = {
        "arch": arch,
        "tokens_per_s": round(counted["tokens"] / mine, 1),
        "gflops_peak": counted["gflops"],
        "share_of_peak": round(bound / mine, 3),
    }
    more["megabytes"] = (
        round(torch.cuda.max_memory_allocated() / 2**20)
        if torch.cuda.is_available()
        else round(peak_megabytes())
    )
    more["shares"] = shares(some)
    name = "train_floor" if arch == "llama-100m" else f"train_{arch}"
    say(
        {
            "name": name,
            "ours_s": round(mine, 3),
            "theirs_s": round(bound, 3),
            "ratio": round(ratios[1], 4),
            "ratio_low": round(ratios[0], 4),
            "ratio_high": round(ratios[2], 4),
        }
        | more
    )


def score_lmeval() -> None:
    from bench.compare import in_turns, seconds
    from bench.scoring import Asked, furthest, lm_eval, self_report
    from bench.training import linked, random_base

    def against(name: str, asked: Asked, end: bool, rounds: int) -> None:
        render, whole = seconds(asked.afresh), seconds(asked.ours)
        about = {
            "apart": furthest(asked, lm_eval(asked, end), end),
            "answers": sum(len(w.options) for _, w in asked.items),
        }
        about |= {"render_s": round(render, 4), "compute_s": round(whole - render, 4)}
        in_turns(name, asked.ours, lambda: lm_eval(asked, end), rounds=rounds, warm=False, **about)

    against("score_lmeval", self_report(linked()), True, 5)
    against("score_lmeval_letters", self_report(linked(), letters=True), False, 5)
    against("score_lmeval_natural", self_report(linked(), style="natural"), True, 1)
    against("score_lmeval_100m", self_report(random_base("llama-100m")), True, 1)


def score_tokens() -> None:
    """What goes through the model for the self-report suite: nodes of trees, or prompt and answer
    anew for every answer."""
    from bench.compare import say
    from bench.scoring import self_report, tokens
    from bench.training import linked

    say({"name": "score_tokens"} | tokens(self_report(linked())))


def score_naive() -> None:
    from bench.compare import in_turns
    from bench.scoring import furthest, naive, self_report
    from bench.training import linked

    asked = self_report(linked())
    apart = furthest(asked, naive(asked), True)
    in_turns("score_naive", asked.ours, lambda: naive(asked), rounds=1, warm=False, apart=apart)


def score_sampled() -> None:
    from bench.compare import in_turns
    from bench.scoring import sampled, self_report, within_error
    from bench.training import linked

    asked = self_report(linked())
    within = within_error(asked, sampled(asked))
    in_turns(
        "score_sampled",
        asked.ours,
        lambda: sampled(asked),
        rounds=3,
        warm=False,
        within_three_errors=round(within, 4),
    )


def score_inspect() -> None:
    from bench.compare import in_turns
    from bench.scoring import inspect, inspect_model, self_report
    from bench.training import linked

    asked = self_report(linked())
    model = inspect_model(linked().source)
    answers = inspect(asked, model)
    likeliest = [
        w.options[max(range(len(s.p_exact)), key=s.p_exact.__getitem__)].text
        for s, (_, w) in zip(asked.ours(), asked.items, strict=True)
    ]
    same = sum(a == b for a, b in zip(answers, likeliest, strict=True)) / len(answers)
    in_turns(
        "score_inspect",
        asked.ours,
        lambda: inspect(asked, model),
        rounds=3,
        warm=False,
        same_answer=round(same, 3),
    )


def growth() -> None:
    from bench.growth import adapters, memory, questions, rows

    for part in (adapters, questions, rows, memory):
        part()


COMPARISONS = {
    f.__name__: f
    for f in (
        train_study_b1,
        train_study_b16,
        train_one,
        train_floor,
        score_lmeval,
        score_tokens,
        score_naive,
        score_sampled,
        score_inspect,
        growth,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[[], *COMPARISONS], help="which comparisons (default: all)"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--arch",
        help=(
            "train this architecture with random weights: tokens per second, share of peak, memory"
        ),
    )
    given = parser.parse_args()
    if given.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if given.arch:
        train_floor(given.arch)
        return
    from bench.compare import RESULTS

    if not given.names:
        RESULTS.unlink(missing_ok=True)
    for name in given.names or COMPARISONS:
        COMPARISONS[name]()
    from bench.page import write_page

    write_page()


if __name__ == "__main__":
    main()
