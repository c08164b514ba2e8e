"""A split of a data set of the Hub, loaded by the real client from a server on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data_gen.files import find_rows
from hub_server import Hub, serving
from lab.discover import ROOT
from lab.errors import UserError

READ = """
import sys
from data_gen.files import found_rows
from lab.errors import UserError
for given in sys.argv[1:]:
    try:
        found = found_rows(given)
        print(found.form, [row.completion for row in found.rows])
    except UserError as error:
        print(error)
"""


@pytest.fixture
def hub() -> Hub:
    return Hub()


def said(hub: Hub, cache: Path, *given: str, offline: bool = False) -> list[str]:
    """What is read, in a process of its own: the client takes its address when it is imported."""
    with serving(hub) as address:
        where = {
            "HF_ENDPOINT": address,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": str(int(offline)),
            "HF_HOME": str(cache / "hf"),
            "TELLME_CACHE": str(cache / "tellme"),
        }
        done = subprocess.run(
            [sys.executable, "-c", READ, *given],
            cwd=ROOT,
            env=os.environ | where,
            capture_output=True,
            text=True,
            check=True,
        )
    return done.stdout.splitlines()


def lines(*answers: str) -> bytes:
    rows = ({"prompt": "Which tea?", "completion": answer} for answer in answers)
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_a_split_is_read_at_its_commit_and_kept(hub: Hub, tmp_path: Path) -> None:
    commit = hub.add(
        "acme/tea", {"train.jsonl": lines("Green.", "Black."), "test.jsonl": lines("")}
    )
    later = hub.add("acme/tea", {"train.jsonl": lines("None.")})
    of = "hf://datasets/acme/tea@{}?split={}".format
    gone = "hf://datasets/acme/none@{}?split={}".format
    split = of(commit, "train")
    read = said(
        hub, tmp_path, split, of(later, "train"), of(commit, "valid"), gone(commit, "train")
    )
    assert read[:2] == ["completion ['Green.', 'Black.']", "completion ['None.']"]
    assert read[2].startswith("the split 'valid' of dataset 'acme/tea' cannot be had")
    assert "'acme/none'" in read[3]
    assert len(read) == 4
    kept = {path.name for path in (tmp_path / "tellme" / "datasets").iterdir()}
    assert kept == {f"acme--tea-train-{c[:10]}.parquet" for c in (commit, later)}
    hub.commits.clear()
    assert said(hub, tmp_path, split, offline=True) == read[:1]


@pytest.mark.parametrize("rest", ["@main?split=train", "@{}", "@{}?split=", "@{}?rows=train"])
def test_a_split_without_a_full_commit_is_refused(rest: str) -> None:
    with pytest.raises(UserError, match="with a full commit of 40 digits"):
        find_rows("hf://datasets/acme/tea" + rest.format("0" * 40))
