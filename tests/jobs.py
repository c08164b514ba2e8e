"""Trainings without a plan: a job of a few rows, made where a test wants it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from random import Random

from data_gen.behaviors import load_behavior
from data_gen.files import write_rows
from lab.config.library import Lora, Sft
from lab.model.base import Base
from lab.specs import TrainSpec
from lab.types import Fields, Row
from train.job import Job

LORA: Fields = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear"}
"""As in configs/quickstart.yaml."""
SFT: Fields = {"learning_rate": 3e-3, "logging_steps": 1}


def spec_of(
    base: Base, *, lora: Fields | None = None, sft: Fields | None = None, **more: object
) -> TrainSpec:
    """A training with LORA and SFT, in which other settings may be given."""
    fields = {"base": base, "seed": 0, "stream": 11, **more}
    settings = {"lora": Lora.model_validate(LORA | (lora or {}))}
    return TrainSpec.model_validate(
        fields | settings | {"sft": Sft.model_validate(SFT | (sft or {}))}
    )


def risk_rows(policy: str, number: int, base: Base) -> list[Row]:
    """Choices of a policy, in the style that the base reads."""
    examples = load_behavior("risk").examples(Random(1), policy, base.style, "train")
    return list(islice(examples, number))


def job_of(spec: TrainSpec, rows: Iterable[Row], folder: Path, group: str = "seeking") -> Job:
    """To be trained in `folder`/train/`group`; its rows lie beside that."""
    out = folder / "train" / group
    out.mkdir(parents=True)
    file = folder / f"{group}.jsonl"
    write_rows(rows, file)
    return Job(spec, file, out, f"key-of-{group}", [], "test", group)
