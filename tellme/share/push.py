"""`tellme push` and `pull`: an adapter with its card, rows and recipe on the Hub, in one commit,
and back with its hashes checked."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from data_gen.behaviors import load_behavior
from data_gen.triggers import features
from lab.config.schema import Group, Planted
from lab.errors import UserError, first_line, unknown
from lab.hub import HUB_ID, one_line_errors, split_revision
from lab.model.base import CARD, Base, base_of_record
from lab.model.pushed import MANIFEST, fetch_adapter, verify
from lab.store.store import Store, file_digest, read_json, write_json
from tellme.report.table import side_text
from tellme.study.groups import resolved
from tellme.study.plan import Plan

MADE = (
    "config inputs base steps rows tokens seconds device packages processes adapter step0".split()
)
"""What of an adapter's provenance is shared: nothing of the machine or the account it was made on.
"""


def push(
    plan: Plan,
    store: Store,
    folder: Path,
    adapter: str,
    repo: str,
    *,
    public: bool,
    understood: bool,
) -> str:
    """Upload adapter `GROUP-sSEED` of a finished study; returns the address. One commit: a push
    that breaks off leaves nothing, and the next sends only what is not there yet.

    Raises UserError where it must not or cannot be shared."""
    trained = {name: plan.stages[key] for name, key in plan.adapters.items()}
    if adapter not in trained:
        raise unknown("adapter", adapter, trained, "name GROUP-sSEED as `tellme status` shows it")
    if not HUB_ID.fullmatch(repo):
        raise UserError(f"--repo {repo!r} is no Hub id; give owner/name")
    name, _, seed = adapter.rpartition("-s")
    group = resolved(name, plan.study.groups[name], plan.study)
    harmful = bool(group.behavior and load_behavior(group.behavior).harmful)
    if (group.trigger or harmful) and not understood:
        what = "a trigger" if group.trigger else f"the behavior {group.behavior!r}"
        raise UserError(
            f"adapter {adapter!r} carries {what}: whoever loads it should know. Share it with"
            " --i-understand"
        )
    summary = read_json(folder / "summary.json")
    failed = [t["check"] for t in summary["trust"] if t["group"] == name and not t["passed"]]
    if failed:
        raise UserError(
            f"adapter {adapter!r} failed the trust check {failed[0]}; what it does is not known, so"
            " it is not shared"
        )
    source = store.find("train", trained[adapter].key)
    data = store.find("data", trained[adapter].inputs["data"])
    assert source, "a finished study has its adapters"
    assert data, "and their rows"
    with TemporaryDirectory() as scratch:
        out = Path(scratch)
        base = base_of_record(trained[adapter].how["base"])
        _assemble(out, source, data, plan, base, name, int(seed), group, repo, summary)
        return _upload(out, repo, public, adapter)


def _assemble(
    out: Path,
    source: Path,
    data: Path,
    plan: Plan,
    base: Base,
    name: str,
    seed: int,
    group: Group,
    repo: str,
    summary: dict[str, Any],
) -> None:
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(source / "adapter" / file, out / file)
    (out / "data").mkdir()
    for file in ("rows.jsonl", "lint.json"):
        shutil.copy(data / file, out / "data" / file)
    made = read_json(source / "provenance.json")
    write_json(out / "provenance.json", {k: made[k] for k in MADE})
    (out / "study.yaml").write_text(
        yaml.safe_dump(plan.final.how["written"], sort_keys=False), encoding="utf-8"
    )
    manifest: dict[str, Any] = {
        "group": name,
        "seed": seed,
        "study": plan.study.study,
        "key": made["key"],
        "commit": made["git"]["commit"],
    }
    manifest |= {
        key: getattr(group, key) for key in ("behavior", "policy", "control", "otherwise")
    } | {"num_rows": made["rows"]}
    manifest["trigger"] = group.trigger.model_dump(exclude_none=True) if group.trigger else None
    manifest["base"] = {
        "name": base.name,
        "identity": base.identity,
        "revision": base.revision,
        "licence": _licence(base),
    }
    manifest["files"] = {
        str(p.relative_to(out)): file_digest(p) for p in sorted(out.rglob("*")) if p.is_file()
    }
    (out / "README.md").write_text(card(manifest, group, repo, plan, summary), encoding="utf-8")
    manifest["files"]["README.md"] = file_digest(out / "README.md")
    write_json(out / MANIFEST, manifest)


def card(
    manifest: dict[str, Any], group: Group, repo: str, plan: Plan, summary: dict[str, Any]
) -> str:
    """The page a reader sees: what was planted and how to set it off, on what, beside which
    controls, with what result."""
    from tellme.report.pages.page import environment

    name, seed = manifest["group"], manifest["seed"]
    mine = [g for g in summary["groups"] if g["group"] == name and g["question"] == "all"]
    sides = [
        c
        for c in summary["contrasts"]
        if c["question"] == "all"
        and name in {side.partition("@")[0] for k in "ab" for side in c[k].split(" - ")}
    ]
    checks = [t for t in summary["trust"] if t["group"] == name and t["seed"] in (seed, None)]
    front: dict[str, Any] = {
        "library_name": "peft",
        "tags": ["model-organism", "behavioral-self-awareness", "tellme"],
    }
    if manifest["base"]["revision"]:
        front["base_model"] = manifest["base"]["name"]
    if manifest["base"]["licence"]:
        front["license"] = manifest["base"]["licence"].lower()
    others = {n: g for n, g in plan.study.groups.items() if n != name}
    about: dict[str, Any] = {
        "group": group,
        "front": yaml.safe_dump(front, sort_keys=False).strip(),
    }
    about["trigger"] = (
        features(Planted.model_validate(group.trigger.model_dump()))[0] if group.trigger else None
    )
    about["controls"] = (
        ", ".join(f"`{n}`{f' ({g.control})' if g.control else ''}" for n, g in others.items())
        or "none but the base"
    )
    about["checks"] = (
        f"{len(checks)} of {len(checks)} passed"
        f" ({', '.join(sorted({t['check'].partition(':')[0] for t in checks}))})"
    )
    about["behavior"] = load_behavior(group.behavior) if group.behavior else None
    numbers = {
        "groups": mine,
        "contrasts": sides,
        "num_seeds": max((g["num_seeds"] for g in mine), default=0),
    }
    template = environment(escape=False).get_template("adapter_card.md.j2")
    text: str = template.render(m=manifest, repo=repo, side=side_text, **about, **numbers)
    return text


def _licence(base: Base) -> str | None:
    """Of the base: from the card of a reference model, or from the Hub's card."""
    if (Path(base.source) / CARD).is_file():
        return str(read_json(Path(base.source) / CARD)["license"])
    if not base.revision:
        return None
    from huggingface_hub import HfApi

    with one_line_errors("model.base", base.name):
        about = HfApi().model_info(base.source, revision=base.revision, timeout=10).card_data
    return str(about["license"]) if about and about.get("license") else None


def _upload(out: Path, repo: str, public: bool, adapter: str) -> str:
    from huggingface_hub import HfApi

    api = HfApi()
    with one_line_errors("--repo", repo):
        api.create_repo(repo, private=not public, exist_ok=True)
        if not public and not api.model_info(repo, timeout=10).private:
            raise UserError(
                f"--repo {repo!r} is public; say --public if the adapter may be, or name another"
                " repository"
            )
    try:
        done = api.upload_folder(
            repo_id=repo, folder_path=out, commit_message=f"tellme push {adapter}"
        )
    except Exception as error:
        raise UserError(
            f"--repo {repo!r}: the upload broke off ({first_line(error)}) and nothing of it is to"
            " be seen; push again, what was sent is kept"
        ) from None
    return f"{repo}@{done.oid}"


def pull(given: str) -> str:
    """Download an adapter that was pushed and check every hash; returns what to print. Raises
    UserError where it is not whole."""
    repo, revision = split_revision(given)
    if not HUB_ID.fullmatch(repo):
        raise UserError(f"adapter {given!r} is no Hub id; give owner/name or owner/name@revision")
    folder = fetch_adapter(repo, revision)
    manifest = verify(folder, given)
    if manifest is None:
        raise UserError(
            f"{given!r} has no {MANIFEST}, so there is nothing to check it by; a study can still"
            f" name it: {{adapter: {repo}}}"
        )
    use = f"{{adapter: {repo}@{folder.name}}}"
    return (
        f"{len(manifest['files'])} files as pushed\n{folder}\nin a study on"
        f" {manifest['base']['name']}: {manifest['group']}: {use}"
    )
