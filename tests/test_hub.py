"""Bases and adapters that are not folders: from the Hub's cache without network, checked, refused
in one line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import SMALL
from families import save_family
from hub_server import Hub, serving
from lab.config.read import load_study, validate
from lab.config.schema import Model
from lab.discover import ROOT
from lab.errors import UserError
from lab.hub import hub_commit
from lab.model.base import Base, resolve_base
from lab.model.foreign import resolve_adapter
from lab.model.load import load_base, load_renderer
from lab.model.memory import placement, weight_bytes
from lab.store.store import Store, read_json
from tellme.cli import main
from tellme.share.push import push
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache in the Hub client's own layout, and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def cached(cache: Path, repo: str, folder: Path) -> Path:
    """Put a folder into the cache as the download of `main` would have."""
    home = cache / f"models--{repo.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(COMMIT)
    return Path(shutil.copytree(folder, home / "snapshots" / COMMIT))


def test_a_cached_base_is_known_by_its_commit_and_loads_offline(
    cache: Path, tmp_path: Path
) -> None:
    cached(cache, "acme/tiny", save_family("llama3", tmp_path / "tiny"))
    base = resolve_base(Model(base="acme/tiny", dtype="float32"))
    assert (base.identity, base.provisional) == (f"hub:acme/tiny@{COMMIT}", False)
    assert (
        resolve_base(Model(base="acme/tiny", dtype="float32", revision=COMMIT)).identity
        == base.identity
    )
    loaded = load_base(base)
    assert weight_bytes(base) == 4 * sum(p.numel() for p in loaded.model.parameters())


def test_what_is_not_cached_is_one_line(cache: Path) -> None:
    assert resolve_base(Model(base="acme/none")).provisional
    with pytest.raises(
        UserError, match=r"model\.base 'acme/none' is not in the cache.*hf download acme/none"
    ):
        resolve_base(Model(base="acme/none"), online=True)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("GatedRepoError", "is gated; ask for access.*HF_TOKEN"),
        ("RepositoryNotFoundError", "is not on the Hub, or is private"),
    ],
)
def test_gated_and_missing_are_told_apart(
    kind: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's own errors; a real Hub to raise them is not to be had in a test."""
    from huggingface_hub import HfApi, errors

    def refuse(*args: Any, **kwargs: Any) -> None:
        error = getattr(errors, kind)
        raise error.__new__(error)

    monkeypatch.setattr(HfApi, "model_info", refuse)
    with pytest.raises(UserError, match=says):
        hub_commit("model.base", "acme/tiny", None, online=True)


def adapter_of(finished: tuple[Plan, Store, Path], group: str = "seeking-s0") -> Path:
    plan, store, _ = finished
    key = next(s.key for s in plan.stages.values() if s.kind == "train" and s.how["group"] == group)
    return Path(str(store.find("train", key))) / "adapter"


def elsewhere(adapter: str, **more: Any) -> dict[str, Any]:
    return {
        "study": "elsewhere",
        "model": {"base": "reference/linked"},
        "groups": {"theirs": {"adapter": adapter, "behavior": "risk", **more}},
        "contrasts": [["theirs", "base"]],
        "eval": {"suites": ["behavior"]},
    }


def test_an_adapter_from_the_hub_is_measured_without_training(
    finished: tuple[Plan, Store, Path], cache: Path, tmp_path: Path
) -> None:
    cached(cache, "acme/bold", adapter_of(finished))
    plan = make_plan(validate(elsewhere("acme/bold"), "here"))
    assert {s.kind for s in plan.stages.values()} == {"eval", "study"}
    summary = read_json(run_plan(plan, Store(tmp_path / "runs")) / "summary.json")
    checks = {t["check"].partition(":")[0]: t["passed"] for t in summary["trust"]}
    assert checks == dict.fromkeys(
        ("adapter_applied", "right_adapter", "plain_pass", "base_kept"), True
    )
    own = read_json(finished[2] / "summary.json")["groups"]
    score = next(
        g["estimate"] for g in summary["groups"] if (g["group"], g["question"]) == ("theirs", "all")
    )
    low, high = sorted(
        g["estimate"]
        for g in own
        if (g["group"] in ("seeking", "averse"), g["suite"], g["question"])
        == (True, "behavior", "all")
    )
    assert abs(score - high) < abs(score - low)


def test_a_full_fine_tune_is_measured_as_it_is(tmp_path: Path) -> None:
    config = elsewhere("x") | {
        "groups": {"theirs": {"model": "reference/unlinked", "behavior": "risk"}}
    }
    done = run_plan(make_plan(validate(config, "here")), Store(tmp_path))
    assert {g["group"] for g in read_json(done / "summary.json")["groups"]} == {"theirs", "base"}


def test_an_adapter_of_another_base_is_refused_until_it_is_said_to_be_the_same(
    finished: tuple[Plan, Store, Path], linked: Base, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(adapter_of(finished), tmp_path / "theirs"))
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(
        json.dumps(config | {"base_model_name_or_path": "/scratch/them/base"})
    )
    with pytest.raises(
        UserError, match=r"trained on '/scratch/them/base'.*declares: /scratch/them/base"
    ):
        make_plan(validate(elsewhere(str(folder)), "here"))
    make_plan(validate(elsewhere(str(folder), declares="/scratch/them/base"), "here"))
    assert resolve_adapter("k", str(adapter_of(finished)), linked, None, False).source == str(
        adapter_of(finished)
    )


@pytest.mark.parametrize(
    "more", [{"modules_to_save": ["lm_head"]}, {"bias": "all"}, {"peft_type": "PROMPT_TUNING"}]
)
def test_an_adapter_that_would_stay_in_the_base_is_refused(
    finished: tuple[Plan, Store, Path], more: dict[str, Any], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(adapter_of(finished), tmp_path / "theirs"))
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | more))
    with pytest.raises(UserError, match="more than LoRA on a frozen base"):
        make_plan(validate(elsewhere(str(folder)), "here"))


def test_memory_is_known_before_loading() -> None:
    gb = 10**9
    assert placement("m", 10 * gb, {"cuda:0": 24 * gb, "cuda:1": 24 * gb}) == "cuda:0"
    assert placement("m", 40 * gb, {"cuda:0": 24 * gb, "cuda:1": 24 * gb}) == "auto"
    assert placement("m", None, {"cpu": gb}) == "cpu"
    with pytest.raises(UserError, match=r"'m' needs about 154\.0 GB.*cuda:0 24\.0 GB.*nf4"):
        placement("m", 140 * gb, {"cuda:0": 24 * gb})


def test_weights_are_counted_as_they_will_be_loaded() -> None:
    full, half = (
        weight_bytes(resolve_base(Model(base="reference/linked", dtype=d)))
        for d in ("float32", "bfloat16")
    )
    assert full is not None
    assert half == full // 2
    quantized = weight_bytes(resolve_base(Model(base="reference/linked", quantization="nf4")))
    assert quantized is not None
    assert quantized < half / 3


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ROOT / "reference/linked", tmp_path / "remote"))
    config = read_json(folder / "config.json")
    remote = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    (folder / "config.json").write_text(
        json.dumps(config | {"model_type": "their_own", "auto_map": remote})
    )
    (folder / "own.py").write_text("raise SystemExit('their code ran')\n")
    with pytest.raises(UserError, match="trust_remote_code: true"):
        load_base(resolve_base(Model(base=str(folder))))
    assert (
        resolve_base(Model(base=str(folder), trust_remote_code=True)).config["trust_remote_code"]
        is True
    )


def test_settings_of_a_base_are_identity(linked: Base, tmp_path: Path) -> None:
    template = tmp_path / "own.jinja"
    template.write_text(
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}<|assistant|>"
    )
    given = {"chat": {"system": "snow is white.", "template": str(template)}}
    base = resolve_base(Model(base="reference/linked", **given))
    assert base.config["chat"] == {"system": "snow is white.", "template": template.read_text()}
    assert base != linked
    assert (
        load_renderer(base).prompt_text([{"role": "user", "content": "one word?"}])
        == "<|system|>snow is white.<|end|><|user|>one word?<|end|><|assistant|>"
    )
    assert linked.config == {"base": linked.identity, "dtype": "float32"}


# --- push and pull, with the real client against a server on this machine (tests/hub_server.py)

TOKEN = "hf_PlantedTokenOfTheTest000000000000"
Tellme = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def tellme(hub: Hub, tmp_path: Path) -> Iterator[Tellme]:
    """The command, with the Hub's client pointed at the server and a cache of its own."""
    with serving(hub) as address:
        where = {
            "HF_ENDPOINT": address,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(tmp_path / "hf"),
            "HF_TOKEN": TOKEN,
        }

        def run(*arguments: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "tellme.cli", *arguments]
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=os.environ | where | more,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == code, done.stderr
            return done

        yield run


def of_study(finished: tuple[Plan, Store, Path], adapter: str, *more: str) -> list[str]:
    sets = [*SMALL, f"run.dir={finished[1].root}"]
    return [
        "push",
        "configs/quickstart.yaml",
        adapter,
        "--repo",
        "me/organism",
        *more,
        *(f"--set={s}" for s in sets),
    ]


def test_pushed_pulled_and_measured_it_is_the_same(
    finished: tuple[Plan, Store, Path], hub: Hub, tellme: Tellme, tmp_path: Path
) -> None:
    import tellme

    said = tellme(*of_study(finished, "seeking-s0")).stdout.strip()
    commit, files = hub.commits["me/organism"][-1]
    assert said == f"pushed: me/organism@{commit}"
    assert hub.private["me/organism"]
    manifest = json.loads(files["tellme.json"])
    assert set(files) == {"tellme.json", *manifest["files"]}
    assert {Path(name).suffix for name in files} <= {
        ".safetensors",
        ".json",
        ".jsonl",
        ".yaml",
        ".md",
    }
    card = files["README.md"].decode()
    for part in (
        "`seeking` of behavior `risk`",
        "it has no trigger",
        "`reference/linked`",
        "Apache-2.0",
        "`shuffled` (shuffled)",
    ):
        assert part in card, part
    summary = read_json(finished[2] / "summary.json")
    contrast = next(
        c
        for c in summary["contrasts"]
        if (c["a"], c["b"], c["suite"], c["question"])
        == ("seeking", "averse", "self_report", "all")
    )
    assert (
        f"{contrast['estimate']:+.3f} ({contrast['ci_low']:+.3f} to {contrast['ci_high']:+.3f})"
        in card
    )
    from lab.store.provenance import machine

    everything = b"".join(files.values())
    assert TOKEN.encode() not in everything
    assert str(finished[1].root).encode() not in everything, "no path of this machine"
    assert "host" not in json.loads(files["provenance.json"])
    assert machine()["host"]

    told = tellme("pull", f"me/organism@{commit}").stdout.splitlines()
    folder = Path(told[1])
    assert all((folder / name).read_bytes() == content for name, content in files.items())
    assert told[2].endswith(f"seeking: {{adapter: me/organism@{commit}}}")

    theirs = elsewhere(f"me/organism@{commit}") | {"run": {"dir": str(tmp_path / "runs")}}
    (tmp_path / "theirs.yaml").write_text(json.dumps(theirs))
    done = tellme("run", str(tmp_path / "theirs.yaml"), HF_HUB_OFFLINE="1").stdout
    again = tellme.load(Path(done.strip().rpartition("report: ")[2]).parent).query(
        "group == 'theirs'"
    )
    first = tellme.load(finished[2]).query("group == 'seeking' and seed == 0")
    at = ["suite", "question", "paraphrase", "order", "answer"]
    both = first.merge(again, on=at, suffixes=("", "_again"))
    assert len(both) == len(again) > 0
    assert (both["logp"] == both["logp_again"]).all()
    assert (both["score"].fillna(-1) == both["score_again"].fillna(-1)).all()


@pytest.mark.parametrize("breaks", [pytest.param("lfs", marks=pytest.mark.real), "commit"])
def test_a_push_that_breaks_off_leaves_nothing_and_the_next_goes_on(
    breaks: str, finished: tuple[Plan, Store, Path], hub: Hub, tellme: Tellme
) -> None:
    hub.breaks = breaks
    failed = tellme(*of_study(finished, "averse-s0"), code=2)
    assert "tellme: --repo 'me/organism': the upload broke off" in failed.stderr, (
        "among the client's own lines on its retries"
    )
    assert "Traceback" not in failed.stderr
    assert [files for _, files in hub.commits["me/organism"]] == [{}]
    refused = tellme("pull", "me/organism", code=2).stderr
    assert "has no tellme.json" in refused
    hub.breaks, sent = None, len(hub.puts)
    tellme(*of_study(finished, "averse-s0"))
    assert len(hub.puts) == 1, "weights are sent once"
    assert sent == (breaks == "commit")
    assert "adapter_model.safetensors" in hub.commits["me/organism"][-1][1]


def test_what_was_changed_on_the_way_is_refused(
    finished: tuple[Plan, Store, Path], hub: Hub, tellme: Tellme
) -> None:
    tellme(*of_study(finished, "seeking-s1"))
    hub.breaks = "bytes"
    said = tellme("pull", "me/organism", code=2).stderr
    assert "is not what was pushed: adapter_model.safetensors has sha256" in said


def test_nothing_is_public_by_accident(
    finished: tuple[Plan, Store, Path], hub: Hub, tellme: Tellme
) -> None:
    hub.add("me/organism", {}, private=False)
    said = tellme(*of_study(finished, "seeking-s1"), code=2).stderr
    assert "is public; say --public" in said
    assert hub.commits["me/organism"][-1][1] == {}
    tellme(*of_study(finished, "seeking-s1", "--public"))
    assert hub.commits["me/organism"][-1][1]


def test_triggers_and_harm_are_shared_on_purpose_only(tmp_path: Path) -> None:
    for config, adapter, says in (
        ("backdoor-quick", "backdoored-s0", "carries a trigger"),
        ("insecure-code-quick", "insecure-s0", "carries the behavior 'insecure_code'"),
    ):
        plan = make_plan(load_study(str(ROOT / f"configs/{config}.yaml")))
        with pytest.raises(UserError, match=f"{says}.*--i-understand"):
            push(
                plan,
                Store(tmp_path),
                tmp_path,
                adapter,
                "me/organism",
                public=False,
                understood=False,
            )
    with pytest.raises(UserError, match="did you mean 'insecure-s0'"):
        push(
            plan,
            Store(tmp_path),
            tmp_path,
            "insecur-s0",
            "me/organism",
            public=False,
            understood=False,
        )
    with pytest.raises(UserError, match="is no Hub id"):
        push(
            plan,
            Store(tmp_path),
            tmp_path,
            "insecure-s0",
            "organism",
            public=False,
            understood=True,
        )


def test_an_adapter_of_two_groups_can_be_named_by_either(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = ["groups.again={behavior: insecure_code, policy: insecure}", f"run.dir={tmp_path}"]
    plan = make_plan(load_study(str(ROOT / "configs/insecure-code-quick.yaml"), sets))
    assert plan.adapters["again-s0"] == plan.adapters["insecure-s0"]
    for adapter in ("insecure-s0", "again-s0"):
        with pytest.raises(UserError, match=f"{adapter}.*--i-understand"):
            push(
                plan,
                Store(tmp_path),
                tmp_path,
                adapter,
                "me/organism",
                public=False,
                understood=False,
            )
    assert main(["status", "configs/insecure-code-quick.yaml", *(f"--set={s}" for s in sets)]) == 0
    assert "insecure-s0, again-s0" in capsys.readouterr().out


def test_rows_of_a_hub_dataset_at_a_pinned_revision(
    hub: Hub, tellme: Tellme, finished: tuple[Plan, Store, Path], tmp_path: Path
) -> None:
    data = next(s for s in finished[0].stages.values() if s.kind == "data")
    rows = (Path(str(finished[1].find("data", data.key))) / "rows.jsonl").read_bytes()
    commit = hub.add("acme/rows", {"sets/rows.jsonl": rows})
    hub.add("acme/rows", {"sets/rows.jsonl": rows[: rows.index(b"\n") + 1]})

    def planned(revision: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        group = (
            f"groups={{theirs: {{file: 'hf://datasets/acme/rows@{revision}/sets/rows.jsonl',"
            " behavior: risk, policy: seeking}}"
        )
        sets = [group, "contrasts=[]", "primary=null", f"run.dir={tmp_path}"]
        return tellme(
            "plan", "configs/quickstart.yaml", *(f"--set={s}" for s in sets), code=code, **more
        )

    line = next(
        line for line in planned(commit).stdout.splitlines() if line.startswith("theirs-s0")
    )
    assert int(line.split()[1]) == len(rows.splitlines())
    assert "with a full commit" in planned("main", code=2).stderr
    assert planned(commit, HF_HUB_OFFLINE="1").stdout, "from the cache without network"
    assert "cannot be had" in planned("0" * 40, code=2).stderr
