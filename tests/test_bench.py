"""docs/performance.md says what bench/results.jsonl says, and nothing else."""

from __future__ import annotations

import json

from bench.compare import RESULTS, slope
from bench.page import COMPARED, PAGE, page


def test_the_page_is_written_from_the_results() -> None:
    lines = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    results = {line["name"]: line for line in lines}
    assert PAGE.read_text(encoding="utf-8") == page(results)
    assert set(COMPARED) <= set(results)
    needed = {"ours_s", "theirs_s", "ratio", "ratio_low", "ratio_high", "commit", "cores"}
    for name in COMPARED:
        result = results[name]
        assert needed <= set(result)
        assert result["ratio_low"] <= result["ratio"] <= result["ratio_high"]
    assert all(result["apart"] < 1e-4 for result in results.values() if "apart" in result)


def test_a_slope_is_the_exponent() -> None:
    assert abs(slope([1, 10, 100], [3, 300, 30000]) - 2) < 1e-9
