"""`tellme push` and `pull`: an adapter with its card, rows and recipe on the Hub, in one commit,
and back with its hashes checked."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from lab.errors import UserError, first_line, unknown
from lab.hub import HUB_ID, one_line_errors, split_revision
from lab.model import wheel
from lab.model.base import CARD, Base
from lab.model.pushed import MANIFEST, Manifest, fetch_adapter, verify
from lab.store.store import Store, file_digest, read_json, write_json
from tellme.report.analysis.summary import read_summary
from tellme.report.gather import TrainingMade, study_of
from tellme.share.card import card
from tellme.share.organism import Organism, organism, without_trigger
from tellme.study.groups import resolved
from tellme.study.plan import Plan

MADE = (
    "config",
    "inputs",
    "base",
    "steps",
    "rows",
    "tokens",
    "seconds",
    "device",
    "packages",
    "processes",
    "adapter",
    "step0",
)
"""What of an adapter's provenance is shared: nothing of the machine or the account it was made on.
"""
PATIENCE = 10
"""Seconds for the Hub to say what it knows of a model."""


@dataclass(frozen=True)
class Destination:
    """Where an adapter goes, and what its owner said of that."""

    repo: str
    """owner/name on the Hub."""
    public: bool
    """Whether everybody may see it."""
    understood: bool
    """Whether a trigger or a harmful behavior is shared on purpose."""


def push(plan: Plan, store: Store, folder: Path, adapter: str, to: Destination) -> str:
    """Upload adapter `GROUP-sSEED` of a finished study, whose last folder is `folder`; returns the
    address. One commit: a push that breaks off leaves nothing, and the next sends only what is not
    there yet.

    Raises UserError where it must not or cannot be shared."""
    _refuse_unshareable(plan, adapter, to)
    _refuse_untrusted(folder, adapter)
    shared = organism(plan, store, folder, adapter, to.repo)
    with TemporaryDirectory() as scratch:
        out = Path(scratch)
        _assemble(out, shared)
        return _upload(out, adapter, to)


def _refuse_unshareable(plan: Plan, adapter: str, to: Destination) -> None:
    if adapter not in plan.adapters:
        hint = "name GROUP-sSEED as `tellme status` shows it"
        raise unknown("adapter", adapter, plan.adapters, hint)
    if not HUB_ID.fullmatch(to.repo):
        raise UserError(f"--repo {to.repo!r} is no Hub id; give owner/name")
    name = _group_of(adapter)
    group = resolved(name, plan.study.groups[name], plan.study)
    harmful = study_of(plan.final).groups[name].harmful
    if (group.trigger or harmful) and not to.understood:
        what = "a trigger" if group.trigger else f"the behavior {group.behavior!r}"
        raise UserError(
            f"adapter {adapter!r} carries {what}: whoever loads it should know. Share it with"
            " --i-understand"
        )


def _refuse_untrusted(folder: Path, adapter: str) -> None:
    for check in read_summary(folder)["trust"]:
        if check["group"] == _group_of(adapter) and not check["passed"]:
            raise UserError(
                f"adapter {adapter!r} failed the trust check {check['check']}; what it does is not"
                " known, so it is not shared"
            )


def _group_of(adapter: str) -> str:
    return adapter.rpartition("-s")[0]


def _assemble(out: Path, shared: Organism) -> None:
    """Fill `out` with what is uploaded: weights, rows, recipe, card, and the manifest of them."""
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(shared.trained / "adapter" / file, out / file)
    (out / "data").mkdir()
    for file in ("rows.jsonl", "lint.json"):
        shutil.copy(shared.data / file, out / "data" / file)
    made: TrainingMade = read_json(shared.trained / "provenance.json")
    told = {name: value for name, value in made.items() if name in MADE}
    write_json(out / "provenance.json", told)
    study = yaml.safe_dump(json.loads(shared.plan.final.how.written), sort_keys=False)
    (out / "study.yaml").write_text(study, encoding="utf-8")
    manifest = _manifest(shared, made)
    paths = sorted(path for path in out.rglob("*") if path.is_file())
    manifest["files"] = {str(path.relative_to(out)): file_digest(path) for path in paths}
    # The card shows the digest of the rows, so it is written after that, and listed after all.
    (out / "README.md").write_text(card(shared, manifest), encoding="utf-8")
    manifest["files"]["README.md"] = file_digest(out / "README.md")
    write_json(out / MANIFEST, manifest)


def _manifest(shared: Organism, made: TrainingMade) -> Manifest:
    """`tellme.json` but for the digests of the files."""
    group, base = shared.group, shared.base
    return {
        "group": shared.name,
        "seed": shared.seed,
        "study": shared.plan.study.study,
        "key": made["key"],
        "commit": made["git"]["commit"],
        "behavior": group.behavior,
        "policy": group.policy,
        "control": group.control,
        "otherwise": without_trigger(group),
        "num_rows": made["rows"],
        "trigger": group.trigger.model_dump(exclude_none=True) if group.trigger else None,
        "base": {
            "name": base.name,
            "identity": base.identity,
            "revision": base.revision,
            "license": _license(base),
        },
        "files": {},
    }


def _license(base: Base) -> str | None:
    """Of the base: from the card of a reference model, from the Hub's card, or as it is known."""
    if base.name == wheel.NAME:
        return wheel.LICENSE
    reference_card = Path(base.source) / CARD
    if reference_card.is_file():
        return str(read_json(reference_card)["license"])
    if not base.revision:
        return None
    from huggingface_hub import HfApi

    with one_line_errors("model.base", base.name):
        model = HfApi().model_info(base.source, revision=base.revision, timeout=PATIENCE)
    said = model.card_data
    return str(said["license"]) if said and said.get("license") else None


def _upload(out: Path, adapter: str, to: Destination) -> str:
    from huggingface_hub import HfApi

    api, repo = HfApi(), to.repo
    with one_line_errors("--repo", repo):
        api.create_repo(repo, private=not to.public, exist_ok=True)
        if not to.public and not api.model_info(repo, timeout=PATIENCE).private:
            raise UserError(
                f"--repo {repo!r} is public; say --public if the adapter may be, or name another"
                " repository"
            )
    message = f"tellme push {adapter}"
    try:
        commit = api.upload_folder(repo_id=repo, folder_path=out, commit_message=message)
    except Exception as error:
        raise UserError(
            f"--repo {repo!r}: the upload broke off ({first_line(error)}) and nothing of it is to"
            " be seen; push again, what was sent is kept"
        ) from None
    return f"{repo}@{commit.oid}"


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
    base, group = manifest["base"]["name"], manifest["group"]
    lines = [
        f"{len(manifest['files'])} files as pushed",
        str(folder),
        f"in a study on {base}: {group}: {{adapter: {repo}@{folder.name}}}",
    ]
    return "\n".join(lines)
