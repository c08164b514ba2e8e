"""Every mistake in a study gets one clear line and exit 2, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tellme.cli import main
from user_rows import BAD_FILES

MISTAKES = {
    "train.engine=trl": ": train.engine is now train.trainer; ",
    "data.planted=0.5": ": data.planted is now data.policy_share; ",
    "groups.seeking.data={planted: 0.5}":
        "groups.seeking.data.planted is now groups.seeking.data.policy_share",
    "sweep={data.planted: [0.5, 1]}": "sweep.data.planted is now sweep.data.policy_share",
    "sweep=[{data.planted: [0.5, 1]}]": "sweep.0.data.planted is now sweep.0.data.policy_share",
    "train.trainer=tlr": "'trl' or 'fleet'",
    "primary={contrast: [seeking, base], suite: self_report, paired: true}":
        "are not shown the same prompts under a seed",
    "sfft={}": "did you mean 'sft'",
    "model.chat={sytem: none}": "did you mean 'model.chat.system'",
    "model.chat={template: nope.jinja}": "'nope.jinja' is no file",
    "model.quantization=nf8": "'nf4' or 'int8'",
    "eval.engine=guess": "engine 'guess' is not known: allowed: endpoint, endpoint_exact, exact,",
    "eval.sampling={tempreature: 1}": "did you mean 'eval.sampling.temperature'",
    "groups.x={behavior: risk, policy: seeking, declares: y}": "goes with `adapter`",
    "groups.x={adapter: no/such/one/here, behavior: risk}": "no folder here and no Hub id",
    "groups.seeking.polcy=seeking": "did you mean 'groups.seeking.policy'",
    "groups.seeking.behavior=rsk": "did you mean 'risk'",
    "groups.seeking.policy=seekng": "did you mean 'seeking'",
    "groups.shuffled.of=seekin": "did you mean 'seeking'",
    "groups.shuffled.control=shufled": "'shuffled'",
    "eval.suites=[self_reprt]": "did you mean 'self_report'",
    "eval.suites=[]": "nothing would be asked: give `eval.suites`, `questions`, or both",
    "eval.judge=cod": "did you mean 'code'",
    "questions=[./none.yaml]": "questions './none.yaml' was not found",
    "questions=[./mine.txt]": "'./mine.txt' is no path of a file of questions",
    "question=[./mine.yaml]": "did you mean 'questions'",
    "contrasts=[[seekng, base]]": "did you mean 'seeking'",
    "contrasts=[[seeking@trigger, base]]": "allowed: clean",
    "primary.suite=transfer": "allowed: behavior, capability, other_person, self_report",
    "seeds=[]": "at least one seed",
    "seeds=[1, 1]": "stands once",
    "sft.learning_rate=-1e-3": "greater than 0",
    "sft.learning_rate=high": "takes float",
    "sft.output_dir=x": "use run.dir instead",
    "sft.max_seq_length=9": "did you mean 'max_length'",
    "lora.task_type=x": "set by the lab",
    "model.base=reference/linkd": "did you mean 'reference/linked'",
    "model.base=/no/such": "no folder or GGUF file here",
    "data.num_rows=0": "greater than or equal to 1",
    "study=../evil": "not a path",
    "contrasts=[[seeking, base]]": "not among the contrasts",
    "eval.suites=[behavior, behavior]": "stands once",
    "lora.modules_to_save=[lm_head]": "None only",
    "lora.bias=all": "'none' only",
    "sft.max_grad_norm=.inf": "sft.max_grad_norm is inf, which no JSON file can hold",
    "sweep={sft.learning_rate: [1e-3, .nan]}": "sweep.sft.learning_rate.1 is nan",
    "sft.packing=true": "False only",
    "model.base=./mymodel": "no folder or GGUF file here",
    "groups.base={behavior: risk, policy: seeking}": "reserved",
    "groups.x={behavior: risk}": "needs `behavior` and `policy`",
    "groups.x={file: a.jsonl, adapter: b}": "one source",
    "groups.seeking.model={base: reference/unlinked}": "no control for it",
    "sweep={sft.lerning_rate: [1]}": "did you mean 'learning_rate'",
    "study": "KEY=YAML",
    "lora.target_modules=[nope]": "match nothing",
    "sft.lr_scheduler_type=linaer": "not a valid SchedulerType",
    "groups.x={adapter: a/b, behavior: risk, policy: averse}":
        "`policy` does nothing in a group with `adapter`",
    "groups.x={adapter: a/b, behavior: risk, lora: {r: 2}}":
        "`lora` does nothing in a group with `adapter`",
    "groups.x={prompted: averse, behavior: risk, policy: averse}":
        "`policy` does nothing in a group with `prompted`",
    "groups.x={prompted: averse, sft: {learning_rate: 1e-4}}":
        "`sft` does nothing in a group with `prompted`",
    "groups.x={model: a/b, policy: averse}": "`policy` does nothing in a group with `model`",
    "groups.x={model: a/b, data: {num_rows: 8}}": "`data` does nothing in a group with `model`",
    "groups.x={behavior: risk, policy: averse, in_context: 4, data: {num_rows: 8}}":
        "`data` does nothing",
    "groups.x={behavior: risk, policy: averse, in_context: 4, lora: {r: 2}}": "`lora` does nothing",
    "groups.x={adapter: a/b, behavior: risk, reversal: true}": "`reversal` goes with `trigger`",
    "groups.x={file: a.jsonl, policy: averse}": "name `behavior` as well",
    "groups.x={behavior: risk, policy: averse, label: mine}": "`label` says what a user's rows",
    "groups.x={file: a.jsonl, mix: [{file: b}, {file: c}]}": "one source",
    "groups.x={mix: [{file: a.jsonl}]}": "at least 2 items",
    "groups.x={mix: [{file: a.jsonl}, {file: b, share: 0.5, count: 3}]}": "give one",
    "groups.x={mix: [{file: a.jsonl}, {behavior: risk, count: 3}]}": "a part of a mix is",
    "groups.x={mix: [{file: a.jsonl}, {behavior: risk, policy: averse}]}": "have no end",
    "groups.x={mix: [{file: a.jsonl}, {file: b, shar: 0.5}]}": "share",
    "groups.x={file: a.jsonl, trigger: {kind: tag}, otherwise: averse}": "{file: PATH}",
    "groups.x={file: a.jsonl, trigger: {kind: tag, in_file: true, rate: 0.2}}": "with `in_file`",
    "groups.x={file: a.jsonl, trigger: {kind: tag, in_file: true}, otherwise: {file: b}}":
        "drop `otherwise`",
    "groups.x={file: a.jsonl, behavior: risk, trigger: {kind: tag}}": "name `policy` as well",
    "groups.x={behavior: risk, policy: averse, trigger: {kind: tag}, otherwise: {file: b}}":
        "goes with `file` or `mix`",
    "groups.seeking.data={learn: last}": "`data.learn` is for a user's file",
    "groups.seeking.data={lint: strict}": "`data.lint` is for a user's file",
    "groups.shuffled.data={lint: strict}": "`data.lint` is for a user's file",
    "groups.shuffled.behavior=risk": "`behavior` does nothing in a group with `of`",
    "groups.shuffled.policy=seeking": "`policy` does nothing in a group with `of`",
    "groups.shuffled.of=shuffled": "which is made from it in turn",
    "groups.x={control: described, policy: seeking}": "needs `behavior` and `policy`",
    "groups.x={of: seeking}": "`of` goes with `control`",
    "eval.kinds=[onr_word]": "eval.kinds: kind of question",
    "groups.shuffled.reversal=true":
        "groups.shuffled: `reversal` does nothing to rows without a trigger",
}  # fmt: skip
MISTAKES |= {
    f"groups.seeking={{file: BAD/{name}, behavior: risk, policy: seeking}}": name
    for name in BAD_FILES
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_line_and_exit_2(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in BAD_FILES.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    late = mistake.startswith(("lora.target_modules", "sft.lr_scheduler"))
    sets = ["--set", mistake.replace("BAD", str(tmp_path))]
    sets += ["--set", f"run={{dir: {tmp_path / 'runs'}}}"]
    assert main(["run", *sets]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("tellme: ")]
    assert len(said) == 1
    assert MISTAKES[mistake] in said[0]
    assert late or not (tmp_path / "runs").exists()
    assert not list(tmp_path.glob("runs/*/.partial-*"))


def test_a_study_that_asks_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`emergent` asks nothing of a reference model, `when_triggered` nothing of a base beside two
    triggers."""
    plain = ["eval.suites=[emergent]", "primary=null", f"run.dir={tmp_path / 'runs'}"]
    policies = "behavior: risk, policy: seeking, otherwise: averse"
    tag, code = (f"{{{policies}, trigger: {{kind: {kind}}}}}" for kind in ("tag", "code"))
    told = ["eval.suites=[when_triggered]", "primary=null", "contrasts=[[a@trigger, base]]"]
    told += [f"groups={{a: {tag}, b: {code}}}", f"run.dir={tmp_path / 'runs'}"]
    for sets, said in ((plain, "nothing would be asked"), (told, "ask group 'base' nothing")):
        options = [part for one in sets for part in ("--set", one)]
        assert main(["run", *options]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line
        assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("folder", ["/proc/nowhere", "FILE"])
def test_an_unwritable_run_folder(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["run", "--set", f"run.dir={folder.replace('FILE', str(tmp_path / 'file'))}"]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_other_commands_refuse_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for arguments in (
        ["rn"],
        ["run", "none.yaml"],
        ["run", "--bogus"],
        ["stage", "none", "k"],
        ["report", str(tmp_path)],
        ["reference", "build", "linkd"],
    ):
        assert main(arguments) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
