"""Two ways to do one thing, timed in turns in one process, and their ratio with its spread."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from lab.discover import ROOT

RESULTS = Path(__file__).with_name("results.jsonl")
Result = dict[str, Any]
"""A line of it."""


def seconds(work: Callable[[], Any]) -> float:
    """Of one call. What others left is collected before, so that it is not paid for here."""
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turns(
    name: str,
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    rounds: int = 3,
    warm: bool = True,
    **more: Any,
) -> Result:
    """Each round times both, the order changing; the ratio is the median of the rounds', its spread
    the lowest and the highest."""
    if warm:
        ours()
        theirs()
    ours_s: list[float] = []
    theirs_s: list[float] = []
    for number in range(rounds):
        if number % 2 == 0:
            ours_s.append(seconds(ours))
            theirs_s.append(seconds(theirs))
        else:
            theirs_s.append(seconds(theirs))
            ours_s.append(seconds(ours))
    ratios = [a / b for a, b in zip(ours_s, theirs_s, strict=True)]
    return say(result(name, median(ours_s), median(theirs_s), ratios) | more)


def result(name: str, ours_s: float, theirs_s: float, ratios: Sequence[float]) -> Result:
    """Seconds of both sides and the ratios of the rounds, as a line of results.jsonl has them."""
    return {
        "name": name,
        "ours_s": round(ours_s, 3),
        "theirs_s": round(theirs_s, 3),
        "ratio": round(median(ratios), 4),
        "ratio_low": round(min(ratios), 4),
        "ratio_high": round(max(ratios), 4),
    }


def say(measured: Result) -> Result:
    """A result as one line, on the terminal and in results.jsonl."""
    line = measured | {"commit": commit(), "cores": os.cpu_count()}
    text = json.dumps(line)
    print(text, flush=True)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(text + "\n")
    return line


def commit() -> str:
    """Of the checkout, shortened; nothing where there is no git."""
    if shutil.which("git") is None:
        return ""
    run = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout.strip()


def peak_megabytes() -> float:
    """The most memory that this process ever held; what getrusage says is that of the process it
    was started by, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    return int(status["VmHWM"].split()[0]) / 1024


def slope(sizes: Sequence[float], times: Sequence[float]) -> float:
    """Of log time over log size: 1 where time is proportional to size, 0 where it does not depend
    on it."""
    import numpy as np

    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])
