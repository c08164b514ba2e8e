"""How time grows with adapters, questions and rows, and how much memory each way takes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from itertools import islice
from random import Random

from bench.compare import Result, peak_megabytes, say, seconds, slope
from lab.discover import ROOT


def adapters(sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32)) -> Result:
    """As many rows for each; the seconds are those of all adapters together, and their own at a
    slope of 0."""
    from bench.training import linked, work

    one_epoch = {"per_device_train_batch_size": 1, "num_train_epochs": 1}
    works = {number: work(linked(), number, 96, **one_epoch) for number in sizes}
    works[sizes[0]].fleet()  # to warm up
    return _grown("growth_adapters", {number: seconds(w.fleet) for number, w in works.items()})


def rows(sizes: tuple[int, ...] = (300, 3_000, 30_000)) -> Result:
    """Of one adapter."""
    from bench.training import linked, work

    one_epoch = {"per_device_train_batch_size": 16, "num_train_epochs": 1}
    works = {number: work(linked(), 1, number, **one_epoch) for number in sizes}
    works[sizes[0]].fleet()  # to warm up
    return _grown("growth_rows", {number: seconds(w.fleet) for number, w in works.items()})


def questions(sizes: tuple[int, ...] = (100, 1_000, 10_000)) -> Result:
    """All different, each with two letters as answers."""
    from bench.scoring import Asked
    from bench.training import linked
    from data_gen.behaviors import load_behavior
    from lab.layout import letter_options
    from lab.model.load import load_base
    from lab.types import Question, Wording

    examples = load_behavior("risk").examples(Random(0), "seeking", "plain", "train")
    wordings = [
        Wording(row.prompt[0]["content"], letter_options("A"), paraphrase=i)
        for i, row in enumerate(islice(examples, max(sizes)))
    ]
    times = {}
    for number in sizes:
        question = Question("choice", "letters", tuple(wordings[:number]))
        asked = Asked(load_base(linked()), [(question, w) for w in question.wordings])
        asked.ours()  # to warm up
        times[number] = seconds(asked.ours)
    return _grown("growth_questions", times)


def _grown(name: str, times: dict[int, float]) -> Result:
    return say(
        {
            "name": name,
            "sizes": list(times),
            "seconds": [round(t, 3) for t in times.values()],
            "slope": round(slope(list(times), list(times.values())), 3),
        }
    )


MEMORY = ("nothing", "fleet", "trl", "score", "lm_eval")
"""What a process is measured at: a training by us or by TRL, answers by us or by lm-eval."""


def memory() -> None:
    """The most memory of a process that does one thing; `nothing` has loaded the base only."""
    for what in MEMORY:
        run = subprocess.run(
            [sys.executable, "-m", "bench.growth", what],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        say(json.loads(run.stdout.splitlines()[-1]))


def do(what: str) -> None:
    """One of MEMORY in this process; prints what it took as a line of JSON."""
    from bench.scoring import lm_eval, self_report
    from bench.training import by_trl, linked, work

    began = time.perf_counter()
    asked = self_report(linked())
    epoch = {"per_device_train_batch_size": 16, "num_train_epochs": 1}
    trained = work(linked(), 12 if what == "fleet" else 1, 96, **epoch)
    if what == "nothing":
        import peft  # noqa: F401  (the others import it too)
    elif what == "fleet":
        trained.fleet()
    elif what == "trl":
        by_trl(trained)
    elif what == "score":
        asked.ours()
    else:
        lm_eval(asked, True)
    took = {
        "name": f"memory_{what}",
        "megabytes": round(peak_megabytes()),
        "seconds": round(time.perf_counter() - began, 1),
    }
    print(json.dumps(took))


if __name__ == "__main__":
    do(sys.argv[1])
