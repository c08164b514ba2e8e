"""Fixtures: the shipped reference model, and one small study on it that every test may read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.config.schema import Model
from lab.discover import ROOT
from lab.model.base import Base, resolve_base
from lab.store.store import Store
from tellme.study.plan import Plan

SMALL = [
    "data.num_rows=64",
    "sft.num_train_epochs=3",
    "sft.learning_rate=3.0e-3",
    "seeds=[0, 1]",
    "run.report_to=[]",
    "eval.suites=[behavior, self_report, transfer]",
]


@pytest.fixture(scope="session")
def linked() -> Base:
    return resolve_base(Model(base="reference/linked"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Store, Path]:
    """The quickstart with fewer rows and seeds, run once: its plan, its store, its last folder."""
    from lab.config.read import load_study
    from tellme.study.planner import make_plan
    from tellme.study.run import run_plan

    store = Store(tmp_path_factory.mktemp("runs"))
    plan = make_plan(load_study(str(ROOT / "configs/quickstart.yaml"), SMALL))
    return plan, store, run_plan(plan, store)


def same_numbers(one: Any, other: Any) -> bool:
    """Two summaries that hold equal numbers: within 1e-4, p-values within 1e-3; everything else
    alike."""
    if isinstance(one, dict) and isinstance(other, dict):
        # When a study was declared is no number of it.
        one, other = ({k: v for k, v in d.items() if k != "registration"} for d in (one, other))
        return one.keys() == other.keys() and all(_same_entry(k, one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_numbers, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-4
    return bool(one == other)


def _same_entry(key: str, one: Any, other: Any) -> bool:
    if key.startswith("p_") and isinstance(one, float):
        return bool(abs(one - other) <= 1e-3)
    return same_numbers(one, other)
