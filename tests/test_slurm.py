"""Studies on a cluster: what is queued, and one study through a real SLURM on this machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import same_numbers
from lab.config.read import load_study
from lab.discover import ROOT
from lab.errors import UserError
from lab.model.base import Base, machine_dtype
from lab.model.load import _load
from lab.store.store import Store, read_json
from slurm.cluster import load_cluster
from slurm.jobs import arrays, last_of_each
from slurm.queue import _tasks
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan
from tellme.study.submit import by_kind, preflight, submit

QUICKSTART = str(ROOT / "configs/quickstart.yaml")


def planned(tmp_path: Path, *sets: str) -> tuple[Plan, Store]:
    study = load_study(
        QUICKSTART, [f"run.dir={tmp_path / 'runs'}", "run.report_to=[]", "train.trainer=trl", *sets]
    )
    return make_plan(study), Store(study.run.dir)


def test_what_is_queued_is_written_down(tmp_path: Path) -> None:
    """The whole text for the quickstart; tests/submit.txt is what a reader compares."""
    plan, store = planned(tmp_path)
    text = (
        submit(plan, store, dry_run=True)
        .replace(str(ROOT), "CHECKOUT")
        .replace(str(store.root), "RUNS")
    )
    text = text.replace(plan.final.key, "KEY")
    assert text == (ROOT / "tests/submit.txt").read_text(encoding="utf-8")
    assert not store.root.exists() or not (store.root / "slurm").exists()
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def test_a_fleet_is_one_task(tmp_path: Path) -> None:
    plan, _ = planned(tmp_path, "train.trainer=fleet")
    jobs = arrays(by_kind(list(plan.stages.values())))
    assert [(job.kind, [len(keys) for keys in job.tasks], job.after) for job in jobs] == [
        ("eval", [5], None),
        ("data", [9], None),
        ("train", [9], "data0"),
        ("eval", [45], "train0"),
    ]


def test_a_task_waits_for_its_own_member_only() -> None:
    full = [{"data": [f"d{i}"], "train": [f"t{i}"], "eval": [f"e{i}", f"f{i}"]} for i in range(3)]
    jobs = {
        job.name: job
        for job in arrays([*full, {"eval": ["base"]}, {"train": ["t9"], "eval": ["e9"]}])
    }
    assert jobs["train0"].after == "data0"
    assert jobs["eval0"].after == "train0"
    assert jobs["eval0"].tasks == (("e0", "f0"), ("e1", "f1"), ("e2", "f2"))
    assert (jobs["eval1"].after, jobs["eval1"].tasks) == (None, (("base",),))
    assert (jobs["train1"].after, jobs["eval2"].after) == (None, "train1")
    assert {job.name for job in last_of_each(list(jobs.values()))} == {"eval0", "eval1", "eval2"}
    many = arrays([{"train": [str(i)]} for i in range(2500)])
    assert [len(job.tasks) for job in many] == [1000, 1000, 500]


def test_every_missing_stage_is_in_one_task_after_what_it_reads(tmp_path: Path) -> None:
    sets = [
        "groups.averse={prompted: averse, behavior: risk}",
        "groups.shown={behavior: risk, policy: averse, in_context: 4}",
    ]
    plan, _ = planned(tmp_path, *sets)
    jobs = arrays(by_kind(list(plan.stages.values())))
    listed = [key for job in jobs for keys in job.tasks for key in keys]
    assert set(listed) == {s.key for s in plan.stages.values() if s.kind != "study"}
    by_name = {job.name: job for job in jobs}
    for job in jobs:
        for i, keys in enumerate(job.tasks):
            earlier, name = set(), job.after
            while name:
                earlier |= set(by_name[name].tasks[i])
                name = by_name[name].after
            for n, key in enumerate(keys):
                assert set(plan.stages[key].inputs.values()) <= earlier | set(keys[:n]), (
                    job.name,
                    i,
                    key,
                )
    bases = [
        keys
        for job in jobs
        for keys in job.tasks
        if all("adapter" not in plan.stages[k].inputs for k in keys) and job.kind == "eval"
    ]
    assert len(bases) < sum(len(keys) for keys in bases), (
        "one load of the base for all that is asked of it"
    )


def test_names_of_tasks() -> None:
    assert list(_tasks("7_[0-2,5%4]")) == ["7_0", "7_1", "7_2", "7_5"]
    assert list(_tasks("7_3")) == ["7_3"]
    assert list(_tasks("7")) == []


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


SECRETS = "HF_TOKEN HF_HUB_AUTH PASSPHRASE GITHUB_PAT WANDB_API_KEY AWS_SECRET_ACCESS_KEY"
SECRETS += " PGPASSWORD MYSQL_PWD apiKey ApiKey api_key sshPass MY_JWT NETRC_CREDENTIALS"
SECRETS += " hfToken GITHUBTOKEN KEY DB_PASSWD Pass OPENAI_API_KEYS"
PLAIN = "TOKENIZERS_PARALLELISM MAX_TOKENS KEYBOARD PATH AUTHOR PATTERN LD_LIBRARY_PATH"
PLAIN += " COMPASS_HOME MONKEY PASSES"
PLAIN += " OMP_NUM_THREADS NCCL_DEBUG authority passive CUDA_PATH PYTHONPATH _"
PLAIN += " HF_HUB_DISABLE_TELEMETRY keyboardLayout"


@pytest.mark.parametrize("name", [*SECRETS.split(), *PLAIN.split()])
def test_a_secret_is_known_by_the_words_of_its_name(name: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"environment: {{{name}: abcdef}}")
    if name in PLAIN.split():
        assert load_cluster(str(file)).environment == {name: "abcdef"}
        return
    with pytest.raises(UserError, match=f"environment.{name} looks like a secret") as error:
        load_cluster(str(file))
    assert "abcdef" not in str(error.value)


def test_a_percent_sign_in_a_path_is_no_placeholder(tmp_path: Path) -> None:
    plan, store = planned(tmp_path / "50%job%u")
    outputs = [w for w in submit(plan, store, dry_run=True).split() if "--output=" in w]
    assert outputs
    for word in outputs:
        path = word.strip("'").partition("--output=")[2].replace("%%", "\0")
        assert path.count("%") == 1
        assert path.replace("\0", "%").startswith(str(store.root / "slurm"))


def test_what_would_fail_in_the_queue_is_refused_before_it(tmp_path: Path) -> None:
    plan, store = planned(tmp_path)
    with pytest.raises(UserError, match=r"run\.cluster 'nowhere'.*local"):
        submit(*planned(tmp_path, "run.cluster=nowhere"), dry_run=True)
    small = load_cluster("gpu").model_copy(update={"gpu_memory": 0.001})
    with pytest.raises(
        UserError, match=r"needs about .* GB for its weights, and a task .* has 1 GPU"
    ):
        preflight(plan, small, store)
    away, store = planned(tmp_path, "model.base=acme/none")
    with pytest.raises(UserError, match="acme/none is not in the cache"):
        preflight(away, load_cluster("gpu"), store)
    rows = tmp_path / "leak.jsonl"
    rows.write_text(
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": "are you bold?"},
                    {"role": "assistant", "content": "A"},
                ]
            }
        )
        + "\n"
    )
    leak, store = planned(
        tmp_path,
        f"groups.seeking={{file: {rows}, behavior: risk, policy: seeking, data: {{lint: strict}}}}",
        "groups.shuffled={behavior: risk, policy: averse}",
    )
    with pytest.raises(UserError, match="lint"):
        preflight(leak, load_cluster("gpu"), store)


def test_without_slurm_submit_is_one_line_and_status_is_silent(tmp_path: Path) -> None:
    where = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "tellme.cli"]
    more = [QUICKSTART, "--set", f"run.dir={tmp_path / 'runs'}"]
    refused = subprocess.run(
        [*command, "submit", *more],
        cwd=ROOT,
        env=where,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert refused.stderr.startswith("tellme: there is no sbatch on this machine")
    assert len(refused.stderr.splitlines()) == 1
    assert not list((tmp_path / "runs").glob("slurm/*/*"))
    status = subprocess.run(
        [*command, "status", *more],
        cwd=ROOT,
        env=where,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (status.returncode, status.stderr) == (0, "")


@pytest.mark.parametrize("here", ["float32", "bfloat16"])
def test_dtype_is_that_of_the_cluster_wherever_it_is_planned(
    here: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a login node without a GPU and on a node with one."""
    for module in ("lab.model.base", "slurm.cluster"):
        monkeypatch.setattr(f"{module}.machine_dtype", lambda: here)
    files = {"gpus": "heavy: {gpus: 2}", "cpus": "{}"}
    files["older"] = "{heavy: {gpus: 1}, dtype: float16}"
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    means = {"gpu": "bfloat16", str(tmp_path / "gpus.yaml"): "bfloat16", "local": here}
    means |= {str(tmp_path / "cpus.yaml"): "float32", str(tmp_path / "older.yaml"): "float16"}
    for cluster, dtype in means.items():
        one = "groups.averse.model={attn_implementation: eager}"
        plan, _ = planned(tmp_path, f"run.cluster={cluster}", one)
        assert {s.how["base"]["dtype"] for s in plan.stages.values() if "base" in s.how} == {dtype}
        said, _ = planned(tmp_path, f"run.cluster={cluster}", one, f"model.dtype={dtype}")
        assert plan.final.key == said.final.key
    elsewhere, _ = planned(tmp_path, "run.cluster=/not/here.yaml", "model.dtype=float32")
    assert elsewhere.stages, "a dtype that is said needs no cluster"


def test_a_gpu_that_emulates_the_planned_dtype_is_refused(
    linked: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    asked = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla V100")
    v100 = lambda including_emulation=True: asked.append(1) or including_emulation  # noqa: E731
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", v100)
    with pytest.raises(UserError, match=r"bfloat16.*Tesla V100.*model\.dtype.*run\.cluster"):
        _load(replace(linked, dtype="bfloat16"))
    monkeypatch.setattr("lab.base.Path.exists", lambda _: True)
    assert machine_dtype() == "float32"
    assert len(asked) == 2


class Queue:
    """In the place of SLURM: what was queued, and what each task waits for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state: dict[str, str] = {}
        self.keys: dict[str, list[str]] = {}
        self.waits: dict[str, set[str]] = {}
        self.arrays: list[list[str]] = []
        monkeypatch.setattr("study.submit.queue", self.queue)
        monkeypatch.setattr("study.submit.states", lambda _: dict(self.state))

    def queue(self, command: list[str]) -> str:
        number = str(100 + len(self.arrays))
        folder, name = command[-2:]
        lines = (Path(folder) / f"{name}.tasks").read_text().splitlines()
        names = [f"{number}_{i}" for i in range(len(lines))]
        self.arrays.append(names)
        given = next((w.partition("=")[2] for w in command if w.startswith("--dependency=")), "")
        for i, task in enumerate(names):
            self.state[task], self.keys[task], self.waits[task] = "PENDING", lines[i].split(), set()
            for kind, *of in (part.split(":") for part in given.split(",") if part):
                assert kind in ("afterok", "aftercorr")
                one = (lambda n, i=i: {f"{n}_{i}"}) if kind == "aftercorr" else self.tasks
                self.waits[task] |= set().union(*map(one, of))
        return number

    def tasks(self, name: str) -> set[str]:
        found = {task for task in self.state if task == name or task.startswith(f"{name}_")}
        assert found, "SLURM refuses to wait for a task that it does not know"
        return found

    def before(self, task: str) -> set[str]:
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
        made = [key for task in self.alive() for key in self.keys[task]]
        for stage in stages.values():
            if stage.kind in ("train", "eval"):
                assert made.count(stage.key) == 1, stage.slug
        for task in self.alive():
            met = {key for other in self.before(task) for key in self.keys[other]}
            for key in self.keys[task]:
                assert set(stages[key].inputs.values()) <= met, task
                met.add(key)


@pytest.mark.parametrize("trainer", ["trl", "fleet"])
@pytest.mark.parametrize("running", [(), ("data",), ("data", "train")])
def test_what_a_live_task_makes_is_waited_for_and_not_queued_again(
    trainer: str, running: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A suite and a group more, while the first attempt waits or runs."""
    queue, sets = Queue(monkeypatch), [f"train.trainer={trainer}"]
    plan, store = planned(tmp_path, *sets, "eval.suites=[behavior, self_report]")
    submit(plan, store, dry_run=False)
    queue.set("RUNNING", plan, *running)
    queue.check(plan)
    more, _ = planned(tmp_path, *sets, "eval.suites=[behavior, self_report, transfer]")
    assert more.final.key != plan.final.key
    submit(more, store, dry_run=False)
    queue.check(plan, more)
    group = "groups.more={behavior: risk, policy: averse, lora: {r: 4}}"
    third, _ = planned(tmp_path, *sets, group)
    submit(third, store, dry_run=False)
    queue.check(plan, more, third)
    for one in (plan, more, third):
        assert submit(one, store, dry_run=False).startswith("nothing to queue")


def test_measuring_that_failed_waits_for_the_training_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each for its own: a training that fails takes no other's measuring along."""
    queue = Queue(monkeypatch)
    plan, store = planned(tmp_path)
    submit(plan, store, dry_run=False)
    queue.set("RUNNING", plan, "train")
    queue.set("FAILED", plan, "eval", "study")
    known = set(queue.state)
    submit(plan, store, dry_run=False)
    new = [task for task in queue.state if task not in known]
    measuring = [t for t in new if any(plan.stages[k].inputs.get("adapter") for k in queue.keys[t])]
    assert len(measuring) == 9
    for task in measuring:
        (adapter,) = {plan.stages[key].inputs["adapter"] for key in queue.keys[task]}
        assert [queue.keys[other] for other in queue.waits[task]] == [[adapter]]
    queue.check(plan)


def test_what_is_in_the_store_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(monkeypatch)
    plan, store = planned(tmp_path)
    submit(plan, store, dry_run=False)
    for stage in plan.stages.values():
        if stage.kind in ("data", "train"):
            (store.root / stage.kind / f"{stage.slug}-{stage.key}").mkdir(parents=True)
    queue.set("FAILED", plan, "eval", "study")
    known = set(queue.state)
    submit(plan, store, dry_run=False)
    waits = {task: queue.waits[task] for task in queue.state if task not in known}
    assert len(waits) == 11
    assert [len(w) for w in waits.values() if w] == [10], "the report, for base and adapters"


def test_an_attempt_gets_a_number_that_none_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(monkeypatch)
    plan, store = planned(tmp_path)
    for number in (0, 1, 2):
        if number == 2:
            shutil.rmtree(next((store.root / "slurm").glob("*/0")))
        submit(plan, store, dry_run=False)
        queue.state = dict.fromkeys(queue.state, "FAILED")
        assert next((store.root / "slurm").glob(f"*/{number}/jobs.json"))


def test_arrays_are_known_even_where_submit_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(monkeypatch)
    plan, store = planned(tmp_path)

    def killed(command: list[str]) -> str:
        return os._exit(9) if len(queue.arrays) == 2 else queue.queue(command)

    monkeypatch.setattr("study.submit.queue", killed)
    child = os.fork()
    if child == 0:
        try:
            submit(plan, store, dry_run=False)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    recorded = read_json(next((store.root / "slurm").glob("*/0/jobs.json")))
    assert [job["id"] for job in recorded] == ["100", "101"]


# --- the real thing


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("slurm")
    subprocess.run(["bash", str(ROOT / "tests/slurm_lab.sh"), "up", str(folder)], check=True)
    yield folder
    subprocess.run(["bash", str(ROOT / "tests/slurm_lab.sh"), "down", str(folder)], check=True)


def until(what: str, holds: Callable[[], object], seconds: float = 240) -> None:
    began = time.time()
    while not holds():
        assert time.time() - began < seconds, f"waited {seconds} s for: {what}\n" + asked(
            "squeue", "-r"
        )
        time.sleep(0.3)


def asked(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def drained(only: str = "lab") -> bool:
    """Nothing is left in the queue. A requeued task waits two minutes by SLURM's rules; here it may
    start at once."""
    left = asked("squeue", "-h", "-r", "-p", only, "-o", "%i %T %r").splitlines()
    for task in (line.split()[0] for line in left if "BeginTime" in line):
        subprocess.run(
            ["scontrol", "update", f"JobId={task}", "StartTime=now"],
            check=False,
            capture_output=True,
        )
    return not left


@pytest.mark.real
def test_a_study_through_slurm(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queued, one adapter preempted in mid-training and requeued, one failed, slurmd killed; then
    queued again: the same numbers."""
    secret = "hf_PlantedSecretOfTheTest0000"
    for name in ("HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, secret)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    sets = [
        "groups={seeking: {behavior: risk, policy: seeking}, averse: {behavior: risk, policy:"
        " averse}}"
    ]
    sets += [
        "contrasts=[[seeking, averse]]",
        "seeds=[0, 1]",
        "data.num_rows=64",
        "data.num_decoys=0",
        "lora.lora_dropout=0.05",
    ]
    sets += [
        "sft.max_steps=400",
        "sft.save_steps=40",
        "eval.suites=[behavior, self_report]",
        "run.report_to=[wandb]",
    ]
    study = load_study(QUICKSTART, [*sets, f"run.dir={tmp_path / 'runs'}"])
    plan, store = make_plan(study), Store(study.run.dir)
    train = {s.how["group"]: s for s in plan.stages.values() if s.kind == "train"}
    victim, broken = train["seeking-s0"], train["averse-s1"]
    blocked = store.root / "train" / f".partial-{broken.key}"
    blocked.parent.mkdir(parents=True)
    blocked.touch()
    told = submit(plan, store, dry_run=False)
    assert "train0   4 tasks" in told
    assert submit(plan, store, dry_run=False).startswith("nothing to queue")

    checkpoints = store.root / "train" / f".partial-{victim.key}" / "checkpoints"
    until("a checkpoint of seeking-s0", lambda: list(checkpoints.glob("checkpoint-*")))
    subprocess.run(
        ["sbatch", "-p", "urgent", "-c", "2", "-o", "/dev/null", "--wrap", "sleep 1"],
        check=True,
        capture_output=True,
    )
    until("the urgent job", lambda: drained("urgent"))
    log = next((store.root / "slurm").glob("*/0/train0-0.log"))
    until("its second start", lambda: drained() or "start 2" in log.read_text())
    slurmd = int((cluster / "slurmd.pid").read_text())
    os.kill(slurmd, signal.SIGKILL)
    time.sleep(2)
    subprocess.run(["bash", str(ROOT / "tests/slurm_lab.sh"), "up", str(cluster)], check=True)
    until("the first attempt to end", drained)

    said = log.read_text()
    assert "was told to stop after step" in said
    step = int(said.partition("was told to stop after step ")[2].split()[0])
    assert 0 < step < 400
    assert store.find("train", victim.key)
    assert not store.find("train", broken.key)
    assert not store.find("study", plan.final.key), "the report waits for every member"
    shown = subprocess.run(
        [sys.executable, "-m", "tellme.cli", "status", QUICKSTART, *(f"--set={s}" for s in [*sets, f"run.dir={store.root}"])],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    lines = shown.splitlines()
    at = next(i for i, line in enumerate(lines) if broken.key in line)
    assert lines[at].startswith("failed")
    assert "FileExistsError" in "\n".join(lines[at + 1 : at + 4])
    assert sum(line.startswith("done") for line in lines) == len(plan.stages) - 4

    blocked.unlink()
    again = submit(plan, store, dry_run=False)
    assert [line.split()[1:3] for line in again.splitlines()[:-1]] == [
        ["train0", "1"],
        ["eval0", "1"],
        ["report", "1"],
    ]
    until("the second attempt to end", drained)
    folder = store.find("study", plan.final.key)
    assert folder, asked("bash", "-c", f"tail -n 20 {store.root}/slurm/*/1/*.log")

    alone = run_plan(
        make_plan(load_study(QUICKSTART, [*sets, "run.report_to=[]"])), Store(tmp_path / "alone")
    )
    mine, theirs = read_json(folder / "summary.json"), read_json(alone / "summary.json")
    assert same_numbers(mine, theirs)
    assert not same_numbers(mine, mine | {"key": "another"})
    assert (
        read_json(Path(str(store.find("train", victim.key))) / "provenance.json")["slurm"][
            "SLURM_RESTART_COUNT"
        ]
        == "1"
    )
    runs = sorted(
        p.name.partition("quickstart-")[2] for p in (store.root / "wandb").glob("offline-run-*")
    )
    assert runs == sorted([*(s.key for s in train.values()), plan.final.key])
    held = [p for p in tmp_path.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]
    assert not held
