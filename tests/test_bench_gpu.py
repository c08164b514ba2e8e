"""bench/gpu.sh: its lines, what it says of what is not here, and its quickest parts on the CPU."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import torch

from bench import gpu, gpu_parts
from bench.gpu_parts import PARTS, Line, Options
from bench.random_models import random_base
from bench.scoring import self_report
from bench.training import counted, linked, work
from lab.discover import ROOT


def options(out: Path) -> Options:
    """A dry run."""
    return Options(device="cpu", arch="tiny", smollm2=None, out=out, part=None)


def lines(file: Path) -> list[Line]:
    """What is in FILE."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_missing_and_older_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"torch": "2.11.0", "transformers": "99.0"}

    def version(name: str) -> str:
        if name not in found:
            raise gpu.metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(gpu.metadata, "version", version)
    named = {line["package"]: line["found"] for line in gpu.packages()}
    assert named["torch"] == "2.11.0"
    assert named["trl"] is None
    assert "transformers" not in named
    assert all(re.fullmatch(r"\d[\w.]*", line["wanted"]) for line in gpu.packages())


def test_a_part_that_cannot_run_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def lacks(_: Options) -> Line:
        raise ModuleNotFoundError(name="trl")

    def breaks(_: Options) -> Line:
        raise ValueError("no such thing\nand more")

    monkeypatch.setitem(PARTS, "fleet", lacks)
    monkeypatch.setitem(PARTS, "qlora", breaks)
    out = tmp_path / "gpu.jsonl"
    for part in ("fleet", "qlora"):
        gpu.run_part(options(out), part)
    lacking, broken = lines(out)
    assert (lacking["part"], lacking["missing"]) == ("fleet", "trl")
    assert (broken["part"], broken["failed"]) == ("qlora", "ValueError: no such thing")


def test_a_command_that_lacks_a_package_is_told_from_one_that_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"exit 2: tellme: .*nothing"):
        gpu_parts._study("nothing.yaml", [])


def test_operations_grow_with_the_rows_and_weights_are_those_of_the_base() -> None:
    base = random_base("tiny", "bfloat16")
    short, long = (work(base, 2, 8, num_train_epochs=epochs) for epochs in (1, 3))
    (tokens, operations), (more_tokens, more_operations) = counted(short), counted(long)
    assert (more_tokens, more_operations) == (3 * tokens, 3 * operations)
    model = short.loaded.model
    assert next(model.parameters()).dtype == torch.bfloat16
    layers = sum(p.numel() for name, p in model.named_parameters() if "proj" in name)
    assert operations > 4 * layers * tokens
    assert gpu_parts._beyond(short, long, 2.0) == (2 * tokens, 2 * operations, 2.0)
    with pytest.raises(RuntimeError, match="too short"):
        gpu_parts._beyond(short, long, -0.1)


def test_scores_on_another_device_would_be_seen_to_differ() -> None:
    asked = self_report(linked(), letters=True)
    prompts = asked.prompts()
    copied = gpu_parts._copy(asked.loaded, torch.float32)
    assert gpu_parts._apart(asked.loaded, copied, prompts) < 1e-4
    with torch.no_grad():
        copied.model.get_output_embeddings().weight.mul_(1.1)
    assert gpu_parts._apart(asked.loaded, copied, prompts) > 1e-3


@pytest.mark.real
def test_a_dry_run_answers_every_part(tmp_path: Path) -> None:
    out = tmp_path / "gpu.jsonl"
    command = [ROOT / "bench/gpu.sh", "--device", "cpu", "--arch", "tiny", "--out", out]
    subprocess.run(command, check=True, cwd=tmp_path)
    first, *parts = lines(out)
    assert first["part"] == "packages"
    assert [line["part"] for line in parts] == list(PARTS)
    found = {line["part"]: line for line in parts if "asked" in line}
    assert {"quickstart", "fleet", "qlora", "scores"} <= set(found)
    assert found["fleet"]["tokens_per_s"] > 0
    assert found["qlora"]["losses"][-1] < found["qlora"]["losses"][0]
    assert found["scores"]["nats_rounded"] > 0
