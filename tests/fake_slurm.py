"""In the place of SLURM: a queue that takes what is submitted, and says what it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.config.read import load_study
from lab.discover import ROOT
from lab.store.store import Store
from tellme.study.plan import Plan
from tellme.study.planner import make_plan

QUICKSTART = str(ROOT / "configs/quickstart.yaml")


def planned(tmp_path: Path, *sets: str) -> tuple[Plan, Store]:
    """The quickstart with overrides, and a store of its own."""
    own = [f"run.dir={tmp_path / 'runs'}", "run.report_to=[]", "train.trainer=trl"]
    study = load_study(QUICKSTART, [*own, *sets])
    return make_plan(study), Store(study.run.dir)


class Queue:
    """In the place of SLURM: what was queued, and what each task waits for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state: dict[str, str] = {}
        self.keys: dict[str, list[str]] = {}
        """Of the stages that a task makes."""
        self.waits: dict[str, set[str]] = {}
        """Names of the tasks that must have succeeded before a task begins."""
        self.arrays: list[list[str]] = []
        monkeypatch.setattr("tellme.study.submit.queue", self.queue)
        monkeypatch.setattr("tellme.study.status.states", lambda _: dict(self.state))

    def queue(self, command: list[str]) -> str:
        number = str(100 + len(self.arrays))
        folder, name = command[-2:]
        lines = (Path(folder) / f"{name}.tasks").read_text().splitlines()
        names = [f"{number}_{i}" for i in range(len(lines))]
        self.arrays.append(names)
        dependency = next((word for word in command if word.startswith("--dependency=")), "")
        for i, task in enumerate(names):
            self.state[task] = "PENDING"
            self.keys[task] = lines[i].split()
            self.waits[task] = self.awaited(dependency.partition("=")[2], i)
        return number

    def awaited(self, dependency: str, index: int) -> set[str]:
        """What task `index` of an array waits for, as --dependency says it."""
        awaited: set[str] = set()
        for part in filter(None, dependency.split(",")):
            kind, *numbers = part.split(":")
            assert kind in ("afterok", "aftercorr")
            for number in numbers:
                # aftercorr is after the task of the same index, afterok after a whole array.
                own = kind == "aftercorr"
                awaited |= {f"{number}_{index}"} if own else self.tasks(number)
        return awaited

    def tasks(self, name: str) -> set[str]:
        tasks = {task for task in self.state if task == name or task.startswith(f"{name}_")}
        assert tasks, "SLURM refuses to wait for a task that it does not know"
        return tasks

    def before(self, task: str) -> set[str]:
        """Every task that must have succeeded, however long ago."""
        return self.waits[task].union(*map(self.before, self.waits[task]))

    def alive(self) -> list[str]:
        return [task for task, state in self.state.items() if state in ("PENDING", "RUNNING")]

    def set(self, state: str, plan: Plan, *kinds: str) -> None:
        for task, keys in self.keys.items():
            if any(key in plan.stages and plan.stages[key].kind in kinds for key in keys):
                self.state[task] = state

    def check(self, *plans: Plan) -> None:
        """Everything is made once, after what it reads, and the report after all."""
        stages = {key: stage for plan in plans for key, stage in plan.stages.items()}
        to_be_made = [key for task in self.alive() for key in self.keys[task]]
        for stage in stages.values():
            if stage.kind in ("train", "answers", "grades"):
                assert to_be_made.count(stage.key) == 1, stage.slug
        for task in self.alive():
            there = {key for other in self.before(task) for key in self.keys[other]}
            for key in self.keys[task]:
                assert set(stages[key].inputs.values()) <= there, task
                there.add(key)
