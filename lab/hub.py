"""The Hugging Face Hub: the commit of a repository, a file of it, and its errors in one line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import UserError, first_line

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
PATIENCE = 10
"""Seconds for the Hub to say which commit a revision is."""


def split_revision(given: str) -> tuple[str, str | None]:
    """`owner/name@revision` as its two parts; without `@` the second is None."""
    repo, _, revision = given.partition("@")
    return repo, revision or None


def hub_commit(
    what: str, repo: str, revision: str | None, online: bool, file: str = "config.json"
) -> str | None:
    """The commit of a Hub repository: of the cached copy of `file` if there is one, else asked of
    the Hub where `online` allows it, else None.

    Raises UserError, which begins with `what`, where the Hub does not say."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    cached = try_to_load_from_cache(repo, file, revision=revision)
    if isinstance(cached, str):
        # The cache keeps files in folders named by commit.
        return Path(cached).parent.name
    if not online:
        return None
    with one_line_errors(what, repo):
        return str(HfApi().model_info(repo, revision=revision, timeout=PATIENCE).sha)


def download(what: str, repo: str, revision: str | None, file: str, kind: str = "model") -> Path:
    """A file of a repository, from the cache where it is there. Raises UserError, which begins with
    `what`, where it cannot be had."""
    from huggingface_hub import hf_hub_download

    with one_line_errors(what, repo):
        return Path(hf_hub_download(repo, file, revision=revision, repo_type=kind))


@contextmanager
def one_line_errors(what: str, repo: str) -> Iterator[None]:
    """What the Hub's client raises inside, as a UserError of one line that says what to do."""
    from httpx2 import TransportError
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        raise UserError(
            f"{what} {repo!r} is gated; ask for access on its page, then `hf auth login` or set"
            " HF_TOKEN"
        ) from None
    except errors.RepositoryNotFoundError:
        raise UserError(
            f"{what} {repo!r} is not on the Hub, or is private; check the id, or `hf auth login`"
            " with an account that may read it"
        ) from None
    except (
        errors.LocalEntryNotFoundError,
        TransportError,
        errors.OfflineModeIsEnabled,
        ConnectionError,
        TimeoutError,
    ) as error:
        raise UserError(
            f"{what} {repo!r} is not in the cache and the Hub cannot be reached"
            f" ({first_line(error)}); download it where there is network (`hf download {repo}`), or"
            " use one of `tellme list`"
        ) from None
    except (
        errors.RevisionNotFoundError,
        errors.EntryNotFoundError,
        errors.HfHubHTTPError,
    ) as error:
        raise UserError(
            f"{what} {repo!r} cannot be had from the Hub ({first_line(error)}); check id, revision"
            " and access"
        ) from None
