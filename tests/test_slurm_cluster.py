"""Cluster files: what a mistake says, what looks like a secret, and which dtype `auto` means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fake_slurm import planned
from lab.errors import UserError
from lab.model.base import Base, machine_dtype
from lab.model.load import _load
from slurm.cluster import load_cluster


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("partitoin: gpu", "did you mean 'partition'"),
        ("environment: {WANDB_API_KEY: abcdef}", "environment.WANDB_API_KEY looks like a secret"),
        ("environment: {'X; touch elsewhere; Y': a}", "is no name of a variable"),
        ("environment: {'': a}", "is no name of a variable"),
        ("environment: {2FAST: a}", "is no name of a variable"),
        ("environment: {'A\\n': a}", "is no name of a variable"),
        ("heavy: {options: [evil.sh]}", "heavy.options has 'evil.sh'"),
        ("light: {options: [--constraint, h100]}", "light.options has 'h100'"),
        ("heavy: {gpus: -1}", "heavy.gpus is -1"),
        ("heavy: {tme: 1}", "did you mean 'heavy.time'"),
        ("- a", "valid dictionary"),
    ],
)
def test_mistakes_in_a_cluster_file_are_one_line(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=says) as error:
        load_cluster(str(tmp_path / "mine.yaml"))
    assert "\n" not in str(error.value)
    assert "abcdef" not in str(error.value)


SECRETS = (
    *("HF_TOKEN", "HF_HUB_AUTH", "PASSPHRASE", "GITHUB_PAT", "WANDB_API_KEY", "PGPASSWORD"),
    *("AWS_SECRET_ACCESS_KEY", "MYSQL_PWD", "apiKey", "ApiKey", "api_key", "sshPass", "MY_JWT"),
    *("NETRC_CREDENTIALS", "hfToken", "GITHUBTOKEN", "KEY", "DB_PASSWD", "Pass", "OPENAI_API_KEYS"),
)
PLAIN = (
    *("TOKENIZERS_PARALLELISM", "MAX_TOKENS", "KEYBOARD", "PATH", "AUTHOR", "PATTERN", "MONKEY"),
    *("LD_LIBRARY_PATH", "COMPASS_HOME", "PASSES", "OMP_NUM_THREADS", "NCCL_DEBUG", "authority"),
    *("passive", "CUDA_PATH", "PYTHONPATH", "_", "HF_HUB_DISABLE_TELEMETRY", "keyboardLayout"),
)


@pytest.mark.parametrize("name", [*SECRETS, *PLAIN])
def test_a_secret_is_known_by_the_words_of_its_name(name: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"environment: {{{name}: abcdef}}")
    if name in PLAIN:
        assert load_cluster(str(file)).environment == {name: "abcdef"}
        return
    with pytest.raises(UserError, match=f"environment.{name} looks like a secret") as error:
        load_cluster(str(file))
    assert "abcdef" not in str(error.value)


@pytest.mark.parametrize("here", ["float32", "bfloat16"])
def test_dtype_is_that_of_the_cluster_wherever_it_is_planned(
    here: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a login node without a GPU and on a node with one."""
    for module in ("lab.model.base", "slurm.cluster"):
        monkeypatch.setattr(f"{module}.machine_dtype", lambda small=False: here)
    means = {"gpu": "bfloat16", "local": here}
    files = (
        ("gpus", "heavy: {gpus: 2}", "bfloat16"),
        ("cpus", "{}", "float32"),
        ("older", "{heavy: {gpus: 1}, dtype: float16}", "float16"),
    )
    for name, text, dtype in files:
        file = tmp_path / f"{name}.yaml"
        file.write_text(text)
        means[str(file)] = dtype
    for cluster, dtype in means.items():
        sets = [f"run.cluster={cluster}", "groups.averse.model={attn_implementation: eager}"]
        plan, _ = planned(tmp_path, *sets)
        bases = [stage.base for stage in plan.stages.values() if stage.base]
        assert {base.dtype for base in bases} == {dtype}
        said, _ = planned(tmp_path, *sets, f"model.dtype={dtype}")
        assert plan.final.key == said.final.key
    elsewhere, _ = planned(tmp_path, "run.cluster=/not/here.yaml", "model.dtype=float32")
    assert elsewhere.stages, "a dtype that is said needs no cluster"


def test_a_gpu_that_emulates_the_planned_dtype_is_refused(
    linked: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    asked = []

    def emulates(including_emulation: bool = True) -> bool:
        asked.append(including_emulation)
        return including_emulation

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla V100")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", emulates)
    with pytest.raises(UserError, match=r"bfloat16.*Tesla V100.*model\.dtype.*run\.cluster"):
        _load(replace(linked, dtype="bfloat16"))
    monkeypatch.setattr("lab.model.base.NVIDIA", Path("/"))
    assert machine_dtype() == "float32"
    assert len(asked) == 2
