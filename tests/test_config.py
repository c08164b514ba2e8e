"""A study is one YAML: what it accepts, what enters which key, and one clear line for every
mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_gen.files import read_rows, write_rows
from lab.config.fields import library_fields
from lab.config.read import load_study, parse_yaml
from lab.config.schema import Study
from lab.discover import ROOT
from lab.errors import UserError
from lab.types import Row
from tellme.cli import main
from tellme.study.plan import Plan
from tellme.study.planner import make_plan

QUICKSTART = str(ROOT / "configs/quickstart.yaml")


def planned(*sets: str) -> Plan:
    return make_plan(load_study(QUICKSTART, list(sets)))


def keys(plan: Plan, *kinds: str) -> set[str]:
    return {s.key for s in plan.stages.values() if s.kind in kinds}


@pytest.mark.parametrize("config", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_config_plans_without_network(config: Path) -> None:
    assert make_plan(load_study(str(config))).final.kind == "study"


def test_what_is_not_identity_enters_no_key() -> None:
    plan = planned()
    for how in ("run.dir=elsewhere", "run.report_to=[]", "run.workers=2"):
        assert list(planned(how).stages) == list(plan.stages)
    renamed = planned("study=other")
    assert keys(renamed, "data", "train", "eval") == keys(plan, "data", "train", "eval")
    assert renamed.final.key != plan.final.key
    assert keys(plan, "data", "train", "eval") < keys(
        planned("seeds=[0,1,2,3]"), "data", "train", "eval"
    )
    without = planned("contrasts=[]", "primary=null")
    assert keys(without, "data", "train", "eval") == keys(plan, "data", "train", "eval")


def test_identity_enters_the_keys_it_affects() -> None:
    plan = planned()
    rate = planned("sft.learning_rate=5.0e-3")
    assert keys(rate, "data") == keys(plan, "data")
    assert not keys(rate, "train") & keys(plan, "train")
    rows = planned("data.num_rows=100")
    assert not keys(rows, "data") & keys(plan, "data")
    for other in (
        "model.dtype=bfloat16",
        "model.chat={system: snow is white.}",
        "model.attn_implementation=eager",
    ):
        assert not keys(planned(other), "train", "eval") & keys(plan, "train", "eval")
        assert keys(planned(other), "data") == keys(plan, "data")
    asked = planned("eval.engine=sampled")
    assert keys(asked, "train") == keys(plan, "train")
    assert not keys(asked, "eval") & keys(plan, "eval")
    few, more = (
        planned(f"eval.suites=[{names}]")
        for names in ("behavior, self_report", "behavior, self_report, transfer")
    )
    assert keys(few, "eval") < keys(more, "eval")


def test_seeds_of_different_groups_are_independent() -> None:
    streams = [s.config["stream"] for s in planned().stages.values() if s.kind == "train"]
    assert len(set(streams)) == len(streams) == 9


def test_group_forms() -> None:
    plan = planned(
        "groups.told={prompted: seeking}",
        "groups.shown={behavior: risk, policy: averse, in_context: 4}",
        "groups.same={behavior: risk, policy: seeking, lora: {r: 2}, data: {num_rows: 8}}",
        "contrasts=[[told, base], [[seeking@clean, base], [averse, shuffled]]]",
        "primary=null",
    )
    cells = {c.group for c in plan.cells}
    assert {"told", "shown", "same", "base"} <= cells
    assert {c.seed for c in plan.cells if c.group in ("told", "base")} == {None}
    assert {c.seed for c in plan.cells if c.group == "shown"} == {0, 1, 2}


def test_a_control_follows_the_group_it_controls() -> None:
    plan = planned(
        "groups.seeking={behavior: risk, policy: seeking, data: {num_rows: 40}, sft:"
        " {num_train_epochs: 7}}"
    )
    control = [
        s
        for s in plan.stages.values()
        if s.kind == "train" and s.how["group"].startswith("shuffled")
    ]
    for stage in control:
        assert stage.config["sft"]["num_train_epochs"] == 7
        (rows,) = plan.stages[stage.inputs["data"]].inputs.values()
        assert plan.stages[rows].config["num_rows"] == 40


def test_sweep_expands_groups_and_contrasts() -> None:
    study = load_study(
        QUICKSTART, ["sweep={sft.learning_rate: [1e-4, 1e-3], lora.r: [2, 4]}", "primary=null"]
    )
    assert len(study.groups) == 12
    assert "shuffled.learning_rate=0.0001.r=2" in study.groups
    assert (
        study.groups["shuffled.learning_rate=0.0001.r=2"].of == "seeking.learning_rate=0.0001.r=2"
    )
    assert ("seeking.learning_rate=0.001.r=4", "averse.learning_rate=0.001.r=4") in study.contrasts
    assert len(study.contrasts) == 12


def test_a_sweep_renames_the_primary_contrast_too() -> None:
    study = load_study(QUICKSTART, ["sweep={lora.r: [2, 4]}"])
    assert study.primary is not None
    assert study.primary.pairs == (("seeking.r=2", "averse.r=2"), ("seeking.r=4", "averse.r=4"))
    assert set(study.primary.pairs) <= set(study.contrasts)
    plan = make_plan(study)
    assert len(plan.final.config["primary"]["contrasts"]) == 2


def test_primary_is_one_contrast_or_several() -> None:
    for primary in ("{suite: self_report}", "{contrast: [a, b], contrasts: [[a, b]], suite: x}"):
        with pytest.raises(UserError, match="give `contrast"):
            load_study(QUICKSTART, [f"primary={primary}"])


def test_a_learning_rate_changes_neither_initialisation_nor_row_order() -> None:
    """The stream of a fine-tune is of its rows and its seed: another setting begins alike, other
    rows and seeds do not."""

    def streams(*sets: str) -> dict[str, int]:
        plan = planned(*sets)
        trained = (s for s in plan.stages.values() if s.kind == "train")
        return {s.how["group"]: s.config["stream"] for s in trained}

    here = streams()
    assert streams("sft.learning_rate=1e-4", "lora.r=2", "sft.num_train_epochs=1") == here
    assert not set(streams("data.num_rows=144").values()) & set(here.values())
    assert len(set(here.values())) == 9


def test_a_list_of_sweeps_is_no_grid() -> None:
    study = load_study(
        QUICKSTART,
        ["sweep=[{lora.r: [2, 4]}, {lora.target_modules: [[q_proj, v_proj]]}]", "primary=null"],
    )
    assert list(study.points) == ["r=2", "r=4", "target_modules=q_proj+v_proj"]
    assert len(study.groups) == 9
    assert study.groups["seeking.target_modules=q_proj+v_proj"].lora == {
        "target_modules": ["q_proj", "v_proj"]
    }


def test_overrides_replace_and_the_last_wins() -> None:
    study = load_study(
        QUICKSTART, ["lora={r: 3}", "lora.r=5", "groups.more={behavior: risk, policy: averse}"]
    )
    assert study.lora == {"r": 5}
    assert "more" in study.groups


def test_yaml_reads_numbers_as_people_mean_them() -> None:
    assert parse_yaml("a: 1e-4\nb: 2E3\nc: 1.5e-3", "x") == {"a": 1e-4, "b": 2000.0, "c": 1.5e-3}
    with pytest.raises(UserError, match="stands twice"):
        parse_yaml("a: 1\na: 2", "x")


def test_a_study_is_frozen() -> None:
    study = load_study(QUICKSTART)
    assert isinstance(study, Study)
    with pytest.raises(ValueError, match="frozen"):
        study.study = "other"  # type: ignore[misc]


def test_library_fields_are_the_installed_ones() -> None:
    from write_fields import fields_text

    assert (ROOT / "lab" / "fields.yaml").read_text() == fields_text(), "run `make fields`"
    assert library_fields()["sft"]["learning_rate"] == "float"


def test_a_hub_base_that_is_looked_up_is_one_base(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the cache but on the Hub: every group gets the commit, none is taken for a model of
    its own."""
    from types import SimpleNamespace

    from huggingface_hub import HfApi

    monkeypatch.setattr(HfApi, "model_info", lambda *args, **kwargs: SimpleNamespace(sha="c0ffee"))
    plan = make_plan(load_study(str(ROOT / "configs/risk-qwen2.5-7b.yaml")), online=True)
    assert not plan.provisional
    assert {s.how["base"]["identity"] for s in plan.stages.values() if "base" in s.how} == {
        "hub:Qwen/Qwen2.5-7B-Instruct@c0ffee"
    }


def test_line_separators_inside_text_stay_inside(tmp_path: Path) -> None:
    rows = [
        Row(({"role": "user", "content": "a\u2028b\x85c"}, {"role": "assistant", "content": "A"}))
    ]
    write_rows(rows, tmp_path / "rows.jsonl")
    assert read_rows(tmp_path / "rows.jsonl") == rows


BAD_FILES = {
    "missing.jsonl": None,
    "empty.jsonl": b"",
    "notjson.jsonl": (
        b'{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"A"}]}\n{oops\n'
    ),
    "noassistant.jsonl": b'{"messages":[{"role":"user","content":"a"}]}\n',
    "nouser.jsonl": b'{"messages":[{"role":"assistant","content":"A"}]}\n',
    "latin.jsonl": (
        '{"messages":[{"role":"user","content":"café"},{"role":"assistant","content":"A"}]}\n'.encode(
            "latin-1"
        )
    ),
}


def line(asked: str = '"a"', answer: str = '"A"', more: str = "") -> str:
    """A row as JSON, its contents as JSON too."""
    turns = (("user", asked), ("assistant", answer))
    chat = ", ".join(f'{{"role": "{role}", "content": {content}}}' for role, content in turns)
    return f'{{"messages": [{chat}]{more}}}'


GOOD = line(more=r', "meta": {"topic": "\ud83d\ude00"}')
BAD_ROWS = {
    line(more=', "meta": [1]'): "`meta` is [1]; give a mapping",
    line(more=', "meta": "x"'): '`meta` is "x"',
    line(more=', "meta": 0'): "`meta` is 0",
    line(more=', "meta": []'): "`meta` is []",
    line(more=r', "meta": {"x": "\udc00"}'): r"(\udc00, a lone surrogate)",
    line(answer=r'"\ud800"'): r"(\ud800, a lone surrogate)",
    line(asked=r'"a\udfff"'): r"(\udfff, a lone surrogate)",
    line(answer="5"): "message 2 is",
    line(answer="null"): "message 2 is",
    line(asked='[{"type": "text", "text": "a"}]'): "message 1 is",
    '{"messages": [{"role": "user", "content": "a"}, 5]}': "message 2 is 5; each is",
    '{"messages": {"role": "user"}}': "no list `messages`",
}


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_bad_row_is_named_with_its_file_and_line(row: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(f"{GOOD}\n{row}\n")
    with pytest.raises(UserError) as refused:
        read_rows(file)
    assert f"file {str(file)!r}, line 2" in str(refused.value)
    assert BAD_ROWS[row] in str(refused.value)
    assert "\n" not in str(refused.value)
    str(refused.value).encode()


def test_meta_may_be_absent_empty_or_a_mapping(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    rows = (line(), line(more=', "meta": null'), line(more=', "meta": {}'), GOOD)
    file.write_text("\n".join(rows))
    assert [row.meta for row in read_rows(file)] == [{}, {}, {}, {"topic": "\N{GRINNING FACE}"}]


MISTAKES = {
    "sfft={}": "did you mean 'sft'",
    "model.chat={sytem: none}": "did you mean 'model.chat.system'",
    "model.chat={template: nope.jinja}": "'nope.jinja' is no file",
    "model.quantization=nf8": "'nf4' or 'int8'",
    "eval.engine=guess": "'exact' or 'sampled'",
    "eval.sampling={tempreature: 1}": "did you mean 'eval.sampling.temperature'",
    "groups.x={behavior: risk, policy: seeking, declares: y}": "goes with `adapter`",
    "groups.x={adapter: no/such/one/here, behavior: risk}": "no folder here and no Hub id",
    "groups.seeking.polcy=seeking": "did you mean 'groups.seeking.policy'",
    "groups.seeking.behavior=rsk": "did you mean 'risk'",
    "groups.seeking.policy=seekng": "did you mean 'seeking'",
    "groups.shuffled.of=seekin": "did you mean 'seeking'",
    "groups.shuffled.control=shufled": "'shuffled'",
    "eval.suites=[self_reprt]": "did you mean 'self_report'",
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
    "model.base=/no/such": "no folder here",
    "data.num_rows=0": "greater than or equal to 1",
    "study=../evil": "not a path",
    "contrasts=[[seeking, base]]": "not among the contrasts",
    "eval.suites=[behavior, behavior]": "stands once",
    "lora.modules_to_save=[lm_head]": "None only",
    "lora.bias=all": "'none' only",
    "sft.max_grad_norm=.inf": "sft.max_grad_norm is inf, which no JSON file can hold",
    "sweep={sft.learning_rate: [1e-3, .nan]}": "sweep.sft.learning_rate.1 is nan",
    "sft.packing=true": "False only",
    "model.base=./mymodel": "no folder here",
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
    "groups.seeking={file: a.jsonl, data: {num_rows: 3}}":
        "`data.num_rows` does nothing for the rows of a file",
    "groups.seeking={file: a.jsonl, data: {policy_share: 0.5}}": "`data.policy_share` does nothing",
    "groups.seeking={file: a.jsonl, data: {num_decoys: 9}}": "`data.num_decoys` does nothing",
    "groups.seeking.data={lint: strict}": "`data.lint` is for a user's file",
    "groups.shuffled.data={lint: strict}": "`data.lint` is for a user's file",
    "groups.shuffled.behavior=risk": "`behavior` does nothing in a group with `control`",
    "groups.shuffled.policy=seeking": "`policy` does nothing in a group with `control`",
    "groups.shuffled.reversal=true":
        "groups.shuffled: `reversal` does nothing to rows without a trigger",
    **{f"groups.seeking={{file: BAD/{name}, behavior: risk, policy: seeking}}": name for name in BAD_FILES},
}  # fmt: skip


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


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_line_and_exit_2(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in BAD_FILES.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    late = mistake.startswith(("lora.target_modules", "sft.lr_scheduler"))
    arguments = [
        "run",
        "--set",
        mistake.replace("BAD", str(tmp_path)),
        "--set",
        f"run={{dir: {tmp_path / 'runs'}}}",
    ]
    assert main(arguments) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("tellme: ")]
    assert len(said) == 1
    assert MISTAKES[mistake] in said[0]
    assert late or not (tmp_path / "runs").exists()
    assert not list(tmp_path.glob("runs/*/.partial-*"))


def test_a_file_refuses_settings_of_made_rows_that_groups_beside_it_have(tmp_path: Path) -> None:
    """Three doses of a file, or of a control made from it, would be one adapter."""
    file = tmp_path / "rows.jsonl"
    file.write_text(line())
    sets = [f"groups.mine={{file: {file}, behavior: risk}}"]
    sets += ["groups.dealt={control: shuffled, of: mine}"]
    sets += ["data={num_rows: 40, num_decoys: 8, policy_share: 0.5, lint: strict}", "primary=null"]
    (mine,) = {s.key for s in planned(*sets).stages.values() if "file" in s.config}
    own_lint = ["groups.mine.data={lint: strict}", "data.lint=report"]
    assert mine in planned(*sets, *own_lint).stages
    for own in ("num_rows: 8", "num_decoys: 8", "policy_share: 0.5"):
        for group in ("mine", "dealt"):
            with pytest.raises(UserError, match="does nothing for the rows of a file"):
                planned(*sets, f"groups.{group}.data={{{own}}}")
        with pytest.raises(UserError, match="from the sweep"):
            planned(*sets, f"sweep={{data.{own.replace(': ', ': [')}]}}")
    assert len(planned(*sets, "sweep={sft.learning_rate: [1e-4, 1e-3]}").stages) > 10


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
