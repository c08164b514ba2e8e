"""An adapter from elsewhere: a folder or a repository of the Hub, and the base that it declares."""

from dataclasses import dataclass
from pathlib import Path

from lab.discover import find_path
from lab.errors import UserError
from lab.hub import HUB_ID, download, hub_commit, split_revision
from lab.model.adapter_files import CONFIG, read_adapter_config, tensor_names
from lab.model.base import Base
from lab.model.folder import folder_digest
from lab.model.names import is_path, one_model


@dataclass(frozen=True)
class Adapter:
    """An adapter from elsewhere. `source` is a folder, or a Hub id at `revision`; `identity` enters
    keys."""

    source: str
    identity: str
    revision: str | None = None
    provisional: bool = False
    """It is not on this machine: the key is not final, and its configuration was not checked."""
    other_name: str | None = None
    """What it calls the base of the study, where that is another name of it
    (lab/model/names.py)."""


def resolve_adapter(
    key: str, given: str, base: Base, declares: str | None, online: bool
) -> Adapter:
    """Find the adapter that a study names as `given` under `key`. One of the Hub is fetched when it
    is used; of it only the configuration is read now, and without `online` only from the cache.

    Raises UserError where it cannot be had, would change the base, or was trained on another base
    than the study's; `declares` is the other name under which it may know that base."""
    folder = find_path(given)
    if folder is not None:
        if not (folder / CONFIG).is_file():
            raise UserError(
                f"{key} {given!r} has no adapter_config.json; give the folder of a saved PEFT"
                " adapter"
            )
        other_name = _other_name(key, given, folder / CONFIG, base, declares)
        tensor_names(key, given, folder)
        return Adapter(str(folder), folder_digest(folder), other_name=other_name)
    repo, revision = split_revision(given)
    if not HUB_ID.fullmatch(repo):
        raise UserError(
            f"{key} {given!r} is no folder here and no Hub id (owner/name, or owner/name@revision)"
        )
    commit = hub_commit(key, repo, revision, online, CONFIG)
    identity = f"hub:{repo}@{commit or revision or 'main'}"
    if commit is None:
        return Adapter(repo, identity, provisional=True)
    config = download(key, repo, commit, CONFIG)
    other_name = _other_name(key, given, config, base, declares)
    return Adapter(repo, identity, commit, other_name=other_name)


def _other_name(key: str, given: str, config: Path, base: Base, accepted: str | None) -> str | None:
    """The name by which an adapter knows the study's base, where that is another one. Raises
    UserError where it names another model, or none."""
    declared = read_adapter_config(key, given, config).get("base_model_name_or_path")
    if not isinstance(declared, str) or not declared:
        raise UserError(
            f"{key} {given!r} does not say on which model it was trained; write its name into its"
            f" {CONFIG}, as base_model_name_or_path"
        )
    if declared in (base.name, base.source, accepted):
        return None
    if one_model(declared, base.name):
        return declared
    found = find_path(declared)
    if found is not None and str(found) in (base.source, base.gguf):
        return None
    elsewhere = ", a path that is not here" if is_path(declared) and found is None else ""
    raise UserError(
        f"{key} {given!r} was trained on {declared!r}{elsewhere}, and the base here is"
        f" {base.name!r}; give the group `model: {{base: ...}}`, or `declares: {declared}` if that"
        " is the same model under another name"
    )
