"""docs/performance.md says what bench/results.jsonl says, and nothing else."""

from __future__ import annotations

import json

from bench.compare import RESULTS, slope
from bench.page import PAGE, WHAT, page


def test_the_page_is_written_from_the_results() -> None:
    lines = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    found = {line["name"]: line for line in lines}
    assert PAGE.read_text(encoding="utf-8") == page(found)
    assert set(WHAT) <= set(found)
    for name in WHAT:
        line = found[name]
        assert {"ours_s", "theirs_s", "ratio", "ratio_low", "ratio_high", "commit", "cores"} <= set(
            line
        )
        assert line["ratio_low"] <= line["ratio"] <= line["ratio_high"]
    assert all(found[name]["apart"] < 1e-4 for name in found if "apart" in found[name])


def test_a_slope_is_the_exponent() -> None:
    assert abs(slope([1, 10, 100], [3, 300, 30000]) - 2) < 1e-9
