"""Two ways to do one thing, timed in turns in one process, and their ratio with its spread."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from lab.discover import ROOT

RESULTS = Path(__file__).with_name("results.jsonl")


def seconds(work: Callable[[], Any]) -> float:
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
) -> dict[str, Any]:
    """Each round times both, the order changing; the ratio is the median of the rounds', its spread
    the lowest and the highest."""
    if warm:
        ours(), theirs()
    pairs = []
    for number in range(rounds):
        first, second = (ours, theirs) if number % 2 == 0 else (theirs, ours)
        one, two = seconds(first), seconds(second)
        pairs.append((one, two) if number % 2 == 0 else (two, one))
    ratios = [mine / other for mine, other in pairs]
    found = {
        "name": name,
        "ours_s": round(median(p[0] for p in pairs), 3),
        "theirs_s": round(median(p[1] for p in pairs), 3),
    }
    spread = {
        "ratio": round(median(ratios), 4),
        "ratio_low": round(min(ratios), 4),
        "ratio_high": round(max(ratios), 4),
    }
    return say(found | spread | more)


def say(found: dict[str, Any]) -> dict[str, Any]:
    """A result as one line, on the terminal and in results.jsonl."""
    found |= {"commit": commit(), "cores": os.cpu_count()}
    line = json.dumps(found)
    print(line, flush=True)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    return found


def commit() -> str:
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
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 1024


def slope(sizes: list[float], times: list[float]) -> float:
    """Of log time over log size: 1 where time is proportional to size, 0 where it does not depend
    on it."""
    import numpy as np

    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])
