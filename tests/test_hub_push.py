"""Push and pull, with the real client against a server on this machine (tests/hub_server.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tellme
from conftest import SMALL
from data_gen.behaviors import load_behavior
from hub_server import Hub, serving
from lab.config.read import load_study
from lab.discover import ROOT
from lab.errors import UserError
from lab.store.provenance import machine
from lab.store.store import Store, read_json
from tellme.cli import main
from tellme.report.analysis.sentences import verdict_text
from tellme.report.analysis.summary import read_summary
from tellme.share.push import Destination, push
from tellme.study.plan import Plan
from tellme.study.planner import make_plan

TOKEN = "hf_PlantedTokenOfTheTest000000000000"
Finished = tuple[Plan, Store, Path]
Command = Callable[..., "subprocess.CompletedProcess[str]"]
CARD = (
    f"`seeking` of behavior `risk` ({load_behavior('risk').summary})",
    "it has no trigger",
    "`reference/linked`",
    "Apache-2.0",
    "`shuffled` (shuffled)",
)
ANSWER = ["suite", "question", "paraphrase", "order", "answer"]


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def command(hub: Hub, tmp_path: Path) -> Iterator[Command]:
    """The command, with the Hub's client pointed at the server and a cache of its own."""
    with serving(hub) as address:
        where = {
            "HF_ENDPOINT": address,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(tmp_path / "hf"),
            "HF_TOKEN": TOKEN,
        }

        def run(*arguments: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
            done = subprocess.run(
                [sys.executable, "-m", "tellme.cli", *arguments],
                cwd=ROOT,
                env=os.environ | where | more,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == code, done.stderr
            return done

        yield run


def sets_of(*sets: str) -> list[str]:
    return [f"--set={s}" for s in sets]


def of_study(finished: Finished, adapter: str, *more: str) -> list[str]:
    sets = sets_of(*SMALL, f"run.dir={finished[1].root}")
    return ["push", "configs/quickstart.yaml", adapter, "--repo", "me/organism", *more, *sets]


def pushed(finished: Finished, hub: Hub, command: Command) -> tuple[str, dict[str, bytes]]:
    """The commit and the files of a push of `seeking-s0`."""
    said = command(*of_study(finished, "seeking-s0")).stdout.strip()
    commit, files = hub.commits["me/organism"][-1]
    assert said == f"pushed: me/organism@{commit}"
    return commit, files


def test_a_push_is_private_lists_every_file_and_nothing_of_this_machine(
    finished: Finished, hub: Hub, command: Command
) -> None:
    _, files = pushed(finished, hub, command)
    assert hub.private["me/organism"]
    manifest = json.loads(files["tellme.json"])
    assert set(files) == {"tellme.json", *manifest["files"]}
    endings = {".safetensors", ".json", ".jsonl", ".yaml", ".md"}
    assert {Path(name).suffix for name in files} <= endings
    everything = b"".join(files.values())
    assert TOKEN.encode() not in everything
    assert str(finished[1].root).encode() not in everything, "no path of this machine"
    assert "host" not in json.loads(files["provenance.json"])
    assert machine()["host"]


def test_the_card_says_what_was_planted_and_what_it_reads(
    finished: Finished, hub: Hub, command: Command
) -> None:
    card = pushed(finished, hub, command)[1]["README.md"].decode()
    for part in CARD:
        assert part in card, part
    sides = ("seeking", "averse", "self_report", "all")
    (contrast,) = (
        c
        for c in read_json(finished[2] / "summary.json")["contrasts"]
        if (c["a"], c["b"], c["suite"], c["question"]) == sides
    )
    interval = f"{contrast['ci_low']:+.3f} to {contrast['ci_high']:+.3f}"
    assert f"{contrast['estimate']:+.3f} ({interval})" in card
    summary = read_summary(finished[2])
    (verdict,) = summary["verdicts"]
    assert verdict_text(verdict, summary["registration"]) in card
    assert f"registered {summary['registration']['time']}" in card
    for reason in verdict["reasons"]:
        assert f"| {reason['check']} |" in card
    assert tellme.Model("reference/linked").base.identity in card


def test_pushed_pulled_and_measured_it_is_the_same(
    finished: Finished, hub: Hub, command: Command, tmp_path: Path
) -> None:
    commit, files = pushed(finished, hub, command)
    told = command("pull", f"me/organism@{commit}").stdout.splitlines()
    folder = Path(told[1])
    assert all((folder / name).read_bytes() == content for name, content in files.items())
    assert told[2].endswith(f"seeking: {{adapter: me/organism@{commit}}}")

    theirs: dict[str, Any] = {
        "study": "elsewhere",
        "model": {"base": "reference/linked"},
        "groups": {"theirs": {"adapter": f"me/organism@{commit}", "behavior": "risk"}},
        "contrasts": [["theirs", "base"]],
        "eval": {"suites": ["behavior"]},
        "run": {"dir": str(tmp_path / "runs")},
    }
    (tmp_path / "theirs.yaml").write_text(json.dumps(theirs))
    said = command("run", str(tmp_path / "theirs.yaml"), HF_HUB_OFFLINE="1").stdout
    report = Path(said.strip().rpartition("report: ")[2])
    again = tellme.load(report.parent).rows.query("group == 'theirs'")
    first = tellme.load(finished[2]).rows.query("group == 'seeking' and seed == 0")
    both = first.merge(again, on=ANSWER, suffixes=("", "_again"))
    assert len(both) == len(again) > 0
    assert (both["logp"] == both["logp_again"]).all()
    assert (both["score"].fillna(-1) == both["score_again"].fillna(-1)).all()


@pytest.mark.parametrize("breaks", [pytest.param("lfs", marks=pytest.mark.real), "commit"])
def test_a_push_that_breaks_off_leaves_nothing_and_the_next_goes_on(
    breaks: str, finished: Finished, hub: Hub, command: Command
) -> None:
    hub.breaks = breaks
    failed = command(*of_study(finished, "averse-s0"), code=2)
    assert "tellme: --repo 'me/organism': the upload broke off" in failed.stderr, (
        "among the client's own lines on its retries"
    )
    assert "Traceback" not in failed.stderr
    assert [files for _, files in hub.commits["me/organism"]] == [{}]
    refused = command("pull", "me/organism", code=2).stderr
    assert "has no tellme.json" in refused
    hub.breaks, sent = None, len(hub.puts)
    command(*of_study(finished, "averse-s0"))
    assert len(hub.puts) == 1, "weights are sent once"
    assert sent == (breaks == "commit")
    assert "adapter_model.safetensors" in hub.commits["me/organism"][-1][1]


def test_what_was_changed_on_the_way_is_refused(
    finished: Finished, hub: Hub, command: Command
) -> None:
    command(*of_study(finished, "seeking-s1"))
    hub.breaks = "bytes"
    said = command("pull", "me/organism", code=2).stderr
    assert "is not what was pushed: adapter_model.safetensors has sha256" in said


def test_nothing_is_public_by_accident(finished: Finished, hub: Hub, command: Command) -> None:
    hub.add("me/organism", {}, private=False)
    said = command(*of_study(finished, "seeking-s1"), code=2).stderr
    assert "is public; say --public" in said
    assert hub.commits["me/organism"][-1][1] == {}
    command(*of_study(finished, "seeking-s1", "--public"))
    assert hub.commits["me/organism"][-1][1]


def refused(plan: Plan, folder: Path, adapter: str, to: Destination, says: str) -> None:
    """Of a study that has not run: it must be refused before anything is read."""
    with pytest.raises(UserError, match=says):
        push(plan, Store(folder), folder, adapter, to)


NOT_UNDERSTOOD = Destination("me/organism", public=False, understood=False)


def test_triggers_and_harm_are_shared_on_purpose_only(tmp_path: Path) -> None:
    for config, adapter, says in (
        ("backdoor-quick", "backdoored-s0", "carries a trigger"),
        ("insecure-code-quick", "insecure-s0", "carries the behavior 'insecure_code'"),
    ):
        plan = make_plan(load_study(str(ROOT / f"configs/{config}.yaml")))
        refused(plan, tmp_path, adapter, NOT_UNDERSTOOD, f"{says}.*--i-understand")
    refused(plan, tmp_path, "insecur-s0", NOT_UNDERSTOOD, "did you mean 'insecure-s0'")
    no_id = Destination("organism", public=False, understood=True)
    refused(plan, tmp_path, "insecure-s0", no_id, "is no Hub id")


def test_an_adapter_of_two_groups_can_be_named_by_either(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = "configs/insecure-code-quick.yaml"
    sets = ["groups.again={behavior: insecure_code, policy: insecure}", f"run.dir={tmp_path}"]
    plan = make_plan(load_study(str(ROOT / config), sets))
    assert plan.adapters["again-s0"] == plan.adapters["insecure-s0"]
    for adapter in ("insecure-s0", "again-s0"):
        refused(plan, tmp_path, adapter, NOT_UNDERSTOOD, f"{adapter}.*--i-understand")
    assert main(["status", config, *sets_of(*sets)]) == 0
    assert "insecure-s0, again-s0" in capsys.readouterr().out


def test_rows_of_a_hub_dataset_at_a_pinned_revision(
    hub: Hub, command: Command, finished: Finished, tmp_path: Path
) -> None:
    plan, store, _ = finished
    data = next(s for s in plan.stages.values() if s.kind == "data")
    folder = store.find("data", data.key)
    assert folder
    rows = (folder / "rows.jsonl").read_bytes()
    commit = hub.add("acme/rows", {"sets/rows.jsonl": rows})
    hub.add("acme/rows", {"sets/rows.jsonl": rows[: rows.index(b"\n") + 1]})

    def planned(revision: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        file = f"hf://datasets/acme/rows@{revision}/sets/rows.jsonl"
        group = f"groups={{theirs: {{file: '{file}', behavior: risk, policy: seeking}}}}"
        sets = sets_of(group, "data={}", "contrasts=[]", "primary=null", f"run.dir={tmp_path}")
        return command("plan", "configs/quickstart.yaml", *sets, code=code, **more)

    lines = planned(commit).stdout.splitlines()
    line = next(line for line in lines if line.startswith("theirs-s0"))
    assert int(line.split()[1]) == len(rows.splitlines())
    assert "with a full commit" in planned("main", code=2).stderr
    assert planned(commit, HF_HUB_OFFLINE="1").stdout, "from the cache without network"
    assert "cannot be had" in planned("0" * 40, code=2).stderr
