"""What has its final name is complete; two processes and killed ones do no harm."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from lab.errors import UserError
from lab.store.store import Store, digest, make_key, read_json, write_json


def slow_write(folder: Path) -> None:
    (folder / "a").write_text("1")
    time.sleep(0.5)
    with (folder / "writers").open("a") as file:
        file.write(f"{os.getpid()}\n")


def publish(root: Path) -> None:
    Store(root).publish("data", "slug", "0123456789", slow_write)


def test_two_processes_write_once(tmp_path: Path) -> None:
    both = [multiprocessing.Process(target=publish, args=(tmp_path,)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    folder = Store(tmp_path).find("data", "0123456789")
    assert folder is not None
    assert len((folder / "writers").read_text().splitlines()) == 1


def test_a_killed_stage_has_no_final_name_and_can_go_on(tmp_path: Path) -> None:
    process = multiprocessing.Process(target=publish, args=(tmp_path,))
    process.start()
    while not (tmp_path / "data" / ".partial-0123456789" / "a").exists():
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    store = Store(tmp_path)
    assert store.find("data", "0123456789") is None
    kept = []
    store.publish(
        "data", "slug", "0123456789", lambda folder: kept.extend(p.name for p in folder.iterdir())
    )
    assert kept == ["a"]


def test_a_refusal_leaves_nothing(tmp_path: Path) -> None:
    def refuse(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise UserError("no")

    with pytest.raises(UserError):
        Store(tmp_path).publish("data", "slug", "k", refuse)
    assert list((tmp_path / "data").iterdir()) == []


def test_keys_depend_on_content_not_on_order() -> None:
    assert digest({"a": 1, "b": (1, 2)}) == digest({"b": [1, 2], "a": 1})
    keys = {
        make_key("data", 1, {"a": 1}, []),
        make_key("data", 2, {"a": 1}, []),
        make_key("eval", 1, {"a": 1}, []),
        make_key("data", 1, {"a": 1}, ["x"]),
    }
    assert len(keys) == 4


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def test_what_is_written_is_valid_json_and_no_number_is_null(tmp_path: Path) -> None:
    value = {"a": [math.nan, 0.1], "b": (1, {"c": math.inf, "d": -math.inf}), "e": "NaN", "f": None}
    write_json(tmp_path / "x.json", value)
    text = (tmp_path / "x.json").read_text()
    found = {"a": [None, 0.1], "b": [1, {"c": None, "d": None}], "e": "NaN", "f": None}
    assert json.loads(text, parse_constant=refuse_constant) == found
    assert read_json(tmp_path / "x.json") == found
