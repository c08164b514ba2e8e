"""How time grows with adapters, questions and rows, and how much memory each way takes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from bench.compare import peak_megabytes, say, seconds, slope
from lab.discover import ROOT


def adapters(sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32)) -> dict[str, Any]:
    """As many rows for each; the seconds are those of all adapters together, and their own at a
    slope of 0."""
    from bench.training import linked, work

    works = {
        n: work(linked(), n, 96, per_device_train_batch_size=1, num_train_epochs=1) for n in sizes
    }
    works[sizes[0]].fleet()
    times = {n: seconds(one.fleet) for n, one in works.items()}
    return say(
        {
            "name": "growth_adapters",
            "sizes": list(times),
            "seconds": _rounded(times),
            "slope": round(slope(list(times), list(times.values())), 3),
        }
    )


def rows(sizes: tuple[int, ...] = (300, 3_000, 30_000)) -> dict[str, Any]:
    from bench.training import linked, work

    works = {
        n: work(linked(), 1, n, per_device_train_batch_size=16, num_train_epochs=1) for n in sizes
    }
    works[sizes[0]].fleet()
    times = {n: seconds(one.fleet) for n, one in works.items()}
    return say(
        {
            "name": "growth_rows",
            "sizes": list(times),
            "seconds": _rounded(times),
            "slope": round(slope(list(times), list(times.values())), 3),
        }
    )


def questions(sizes: tuple[int, ...] = (100, 1_000, 10_000)) -> dict[str, Any]:
    from itertools import islice
    from random import Random

    from bench.scoring import Asked
    from bench.training import linked
    from data_gen.behaviors import load_behavior
    from lab.model.load import load_base
    from lab.questions import letter_options
    from lab.types import Question, Wording

    made = islice(
        load_behavior("risk").examples(Random(0), "seeking", "plain", "train"), max(sizes)
    )
    wordings = [
        Wording(row.prompt[0]["content"], letter_options("A"), paraphrase=i)
        for i, row in enumerate(made)
    ]
    times = {}
    for number in sizes:
        question = Question("choice", "letters", tuple(wordings[:number]))
        asked = Asked(load_base(linked()), [(question, w) for w in question.wordings])
        asked.ours()
        times[number] = seconds(asked.ours)
    return say(
        {
            "name": "growth_questions",
            "sizes": list(times),
            "seconds": _rounded(times),
            "slope": round(slope(list(times), list(times.values())), 3),
        }
    )


def _rounded(times: dict[int, float]) -> list[float]:
    return [round(t, 3) for t in times.values()]


MEMORY = ("nothing", "fleet", "trl", "score", "lm_eval")


def memory() -> None:
    """The most memory of a process that does one thing; `nothing` has loaded the base and no more."""
    for what in MEMORY:
        run = subprocess.run(
            [sys.executable, "-m", "bench.growth", what],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        say(json.loads(run.stdout.splitlines()[-1]))


def one(what: str) -> None:
    from bench.scoring import lm_eval, self_report
    from bench.training import by_trl, linked, work

    began = time.perf_counter()
    asked, trained = (
        self_report(linked()),
        work(
            linked(),
            12 if what == "fleet" else 1,
            96,
            per_device_train_batch_size=16,
            num_train_epochs=1,
        ),
    )
    if what == "nothing":
        import peft  # noqa: F401
    {
        "nothing": list,
        "fleet": trained.fleet,
        "trl": lambda: by_trl(trained),
        "score": asked.ours,
        "lm_eval": lambda: lm_eval(asked, True),
    }[what]()
    print(
        json.dumps(
            {
                "name": f"memory_{what}",
                "megabytes": round(peak_megabytes()),
                "seconds": round(time.perf_counter() - began, 1),
            }
        )
    )


if __name__ == "__main__":
    one(sys.argv[1])
