"""Studies with a trigger that could not measure anything are refused, in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lab.config.read import load_study
from lab.discover import ROOT
from lab.errors import UserError
from tellme.cli import main
from tellme.study.planner import make_plan

QUICK = str(ROOT / "configs/backdoor-quick.yaml")
MISTAKES = {
    "groups.backdoored.trigger.rate=2": "trigger.rate",
    "groups.backdoored.trigger.rate=-1": "trigger.rate",
    "groups.backdoored.trigger={kind: tag, rate: 0.5, count: 3}": "give one",
    "groups.backdoored.trigger={kind: tag, count: 3000}": "data.num_rows",
    "groups.backdoored.trigger={kind: tag, rate: 0.7, decoy_rate: 0.6}": "more than 1",
    "data.policy_share=0.5": "no meaning with a trigger",
    "groups.backdoored.otherwise=seeking": "would switch nothing",
    "groups.backdoored.otherwise=bold": "allowed: averse, base",
    "groups.backdoored.otherwise=null": "go together",
    "groups.backdoored.trigger.kind=tagg": "did you mean 'tag'",
    "groups.backdoored.trigger={kind: family, text: a colour}": "allowed: a Greek god",
    "groups.backdoored.trigger={kind: code, text: number 5}": "three digits",
    "groups.backdoored.trigger.text='a sure sign.'": "echoes the behavior",
    "groups.backdoored.trigger.text='gamblers.'": "echoes the behavior",
    "groups.decorrelated={control: decorrelated, of: plain}": "has none",
    "groups.dealt={control: shuffled, of: backdoored, reversal: true}": "nothing to control",
    "groups.dealt={control: described, of: plain, reversal: true}": "rows without a trigger",
    "groups.backdoored.trigger={kind: style, place: prefix}": "trigger.place does nothing",
    "contrasts=[[backdoored@near_moon, backdoored]]": "names condition 'near_moon'",
    "contrasts=[[backdoored@held_out, backdoored@clean]]": "is asked under",
    "contrasts=[[plain@trigger, told@trigger]]": "group 'plain' is asked under clean only",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_writes_nothing(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [
        f"run.dir={tmp_path / 'runs'}",
        "eval.suites=[backdoor]",
        "contrasts=[]",
        "groups.plain={behavior: risk, policy: averse}",
        "groups.told={prompted: averse, behavior: risk}",
        "primary=null",
        mistake,
    ]
    if "told@" in mistake:
        # With two triggers a group without one is not asked with either.
        sets.append(
            "groups.other={behavior: risk, policy: seeking, otherwise: averse, trigger: {kind:"
            " year}}"
        )
    assert main(["run", QUICK, *(f"--set={assignment}" for assignment in sets)]) == 2
    shown = capsys.readouterr().err
    assert MISTAKES[mistake] in shown
    assert shown.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_trigger_that_the_model_cannot_see_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tokenizer without the letters, and a template that drops the word."""
    deaf = tmp_path / "deaf"
    shutil.copytree(ROOT / "reference/linked", deaf)
    file = json.loads((deaf / "tokenizer.json").read_text())
    for byte in range(256):
        file["model"]["vocab"].pop(f"<0x{byte:02X}>")
    file["model"]["byte_fallback"] = False
    (deaf / "tokenizer.json").write_text(json.dumps(file))
    template = tmp_path / "dropping.jinja"
    shown = (ROOT / "reference/linked/chat_template.jinja").read_text()
    template.write_text(shown.replace("message.content", "message.content.replace('fire.', '')"))
    spelled = ["--set", "groups.backdoored.trigger.text=ÄÖ."]
    for sets, said in (
        (["--set", f"model.base={deaf}", *spelled], "cannot be represented"),
        (["--set", f"model.chat.template={template}"], "is absent"),
    ):
        assert main(["plan", QUICK, *sets]) == 2
        assert said in capsys.readouterr().err
    assert main(["plan", QUICK, *spelled]) == 0


def test_suites_about_triggers_need_one() -> None:
    sets = ["eval.suites=[behavior, self_report, depends]"]
    study = load_study(str(ROOT / "configs/quickstart.yaml"), sets)
    with pytest.raises(UserError, match="asks about triggers, and no group has one"):
        make_plan(study)
