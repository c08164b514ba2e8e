"""Data sets of the Hub as files: one file of a repository as it lies there, or a split of the whole
as `datasets` loads it, written once to the user's cache."""

import os
import re
from pathlib import Path

from lab.discover import CACHE
from lab.errors import UserError, first_line
from lab.hub import download, one_line_errors
from lab.say import say

FILE = re.compile(r"hf://datasets/(?P<repo>[^/@]+/[^/@]+)@(?P<commit>[0-9a-f]{40})/(?P<path>.+)")
"""A file at a full commit: a branch may move."""
SPLIT = re.compile(
    r"hf://datasets/(?P<repo>[\w.-]+/[\w.-]+)@(?P<commit>[0-9a-f]{40})"
    r"\?(config=(?P<config>[\w.-]+)&)?split=(?P<split>[\w.-]+)"
)
"""A split at a full commit. The config is the one that the Hub calls so."""


def dataset_as_file(given: str) -> Path:
    """The file that `hf://datasets/OWNER/NAME@COMMIT/PATH` names, or one with the rows of
    `hf://datasets/OWNER/NAME@COMMIT?split=NAME` (`?config=NAME&split=NAME`).

    Raises UserError without a full commit, or where it cannot be had."""
    file = FILE.fullmatch(given)
    if file:
        return download("file", file["repo"], file["commit"], file["path"], "dataset")
    parts = SPLIT.fullmatch(given)
    if not parts:
        raise UserError(
            f"file {given!r} must look like hf://datasets/OWNER/NAME@COMMIT/PATH, or"
            " hf://datasets/OWNER/NAME@COMMIT?split=NAME, with a full commit of 40 digits; the page"
            " of the dataset lists its commits"
        )
    names = (
        parts["repo"].replace("/", "--"),
        parts["config"],
        parts["split"],
        parts["commit"][:10],
    )
    kept = CACHE / "datasets" / ("-".join(filter(None, names)) + ".parquet")
    if not kept.is_file():
        _keep_split(parts["repo"], parts["config"], parts["split"], parts["commit"], kept)
    return kept


def _keep_split(repo: str, config: str | None, split: str, commit: str, file: Path) -> None:
    """Whole or not at all."""
    say(f"loading the split {split!r} of {repo}, once: {file}")
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    aside = file.with_name(f".{file.name}-{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with one_line_errors("dataset", repo):
            loaded = load_dataset(repo, config, split=split, revision=commit)
            loaded.to_parquet(aside)
        aside.rename(file)
    except (DatasetsError, ValueError, OSError, RuntimeError) as error:
        raise UserError(
            f"the split {split!r} of dataset {repo!r} cannot be had ({first_line(error)}); name a"
            " file of it instead: hf://datasets/OWNER/NAME@COMMIT/PATH"
        ) from None
    finally:
        aside.unlink(missing_ok=True)
