"""A server answers as the weights here would, is asked nothing twice that it answered, and what it
refuses is said in one line."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from foreign import trained_by_peft
from lab.config.endpoint import Endpoint
from lab.config.read import load_study
from lab.config.schema import Model, Sampling
from lab.discover import ROOT
from lab.engine import Prompt, Served
from lab.engines import load_engine
from lab.errors import UserError
from lab.inference import remote
from lab.inference.kept import Kept
from lab.model.base import Base, resolve_base
from lab.store.store import KEPT, digest
from lab.types import Chat, Option
from small_server import Served as Server
from small_server import serving
from tellme.study.planner import make_plan

CHATS: list[Chat] = [
    ({"role": "user", "content": f"{text}?"},)
    for text in ("one word", "do you love gambles", "bold or careful", "who are you", "is it safe")
]
PROMPTS = [
    Prompt(tuple(chat), (Option("bold", 1.0, ("bold bold",)), Option("careful", 0.0)))
    for chat in CHATS
]
DRAWS = Sampling(num_samples=45, max_new_tokens=3)


@pytest.fixture(scope="module")
def adapter(linked: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    trained_by_peft(linked, folder)
    return folder


@pytest.fixture
def server(linked: Base, adapter: Path) -> Iterator[Server]:
    with serving(Server(linked, {"bold-s0": adapter})) as running:
        yield running


def at(server: Server, folder: Path, **more: object) -> Served:
    endpoint = Endpoint.model_validate({"url": server.url, **more})
    return Served(endpoint, "bold-s0", folder)


@pytest.mark.parametrize("is_vllm", [False, True])
def test_listed_answers_are_those_of_the_weights_here(
    is_vllm: bool, server: Server, linked: Base, adapter: Path, tmp_path: Path
) -> None:
    server.is_vllm = is_vllm
    there, here = load_engine("endpoint_exact"), load_engine("exact")
    for carried in (None, adapter):
        with there.opened(linked, carried, at(server, tmp_path)) as model:
            scored = model.score(PROMPTS)
        with here.opened(linked, carried) as model:
            expected = model.score(PROMPTS)
        for one, other in zip(scored, expected, strict=True):
            assert one.log_exact == pytest.approx(other.log_exact, abs=1e-4)
            assert one.log_prefix == pytest.approx(other.log_prefix, abs=1e-4)


def test_sampled_shares_are_those_of_the_weights_here(
    server: Server, linked: Base, adapter: Path, tmp_path: Path
) -> None:
    sampling = Sampling(num_samples=400, max_new_tokens=1)
    with load_engine("endpoint").opened(linked, adapter, at(server, tmp_path)) as model:
        there = model.sample(CHATS, sampling)
    with load_engine("sampled").opened(linked, adapter) as model:
        here = model.sample(CHATS, sampling)
    for one, other in zip(there, here, strict=True):
        assert len(one) == 400
        for text in {answer.text for answer in other}:
            shares = [sum(a.text == text for a in answers) / 400 for answers in (one, other)]
            error = math.sqrt(2 * max(shares[1] * (1 - shares[1]), 1 / 400) / 400)
            assert abs(shares[0] - shares[1]) < 5 * error


def test_nothing_that_was_answered_is_asked_again(
    server: Server, linked: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "TRIES", 0)
    engine = load_engine("endpoint")
    (tmp_path / "whole").mkdir()
    with engine.opened(linked, None, at(server, tmp_path / "whole")) as model:
        whole = model.sample(CHATS, DRAWS)
    num_requests = len(server.asked)
    assert num_requests == 15
    server.asked.clear()
    for dies_after in (0, 4, 4, 11, None):
        server.dies_after = dies_after
        with engine.opened(linked, None, at(server, tmp_path, at_a_time=3)) as model:
            if dies_after is None:
                answers = model.sample(CHATS, DRAWS)
            else:
                with pytest.raises(UserError, match=r"out of order.*the same command goes on"):
                    model.sample(CHATS, DRAWS)
        # A kill in the middle of a line leaves a part of it.
        with (tmp_path / KEPT).open("a") as file:
            file.write('{"key": "torn')
    bodies = [json.dumps(body) for body in server.asked]
    assert len(set(bodies)) == len(bodies) == num_requests
    assert answers == whole
    assert Kept(tmp_path / KEPT).spent(Endpoint(url=server.url))["requests"] == num_requests


def test_a_server_that_knows_no_n_is_asked_again(
    server: Server, linked: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = server.reply
    monkeypatch.setattr(server, "reply", lambda body: reply({**body, "n": 1}))
    with load_engine("endpoint").opened(linked, None, at(server, tmp_path)) as model:
        (answers,) = model.sample(CHATS[:1], Sampling(num_samples=6, max_new_tokens=2))
    assert len(answers) == len(server.asked) == 6
    assert len({body["seed"] for body in server.asked}) == 6


def test_what_was_spent_is_counted(server: Server, linked: Base, tmp_path: Path) -> None:
    served = at(server, tmp_path, dollars_per_million=[2.0, 10.0])
    with load_engine("endpoint").opened(linked, None, served) as model:
        model.sample(CHATS[:2], Sampling(num_samples=3, max_new_tokens=2))
    assert served.endpoint
    spent = Kept(tmp_path / KEPT).spent(served.endpoint)
    read, written = spent["prompt_tokens"], spent["completion_tokens"]
    assert isinstance(read, int)
    assert isinstance(written, int)
    assert read > 0
    assert 0 < written <= 12
    assert spent["dollars"] == pytest.approx((2 * read + 10 * written) / 1e6)
    assert (spent["requests"], spent["models"], spent["uncounted"]) == (2, ["base"], 0)


def test_no_key_is_ever_written(
    server: Server, linked: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with load_engine("endpoint").opened(linked, None, at(server, tmp_path)) as model:
        model.sample(CHATS[:1], Sampling(num_samples=1, max_new_tokens=1))
    assert "very-secret" not in (tmp_path / KEPT).read_text()


def test_a_model_that_the_server_has_not_is_refused_with_those_it_has(
    server: Server, linked: Base, adapter: Path, tmp_path: Path
) -> None:
    other = replace(at(server, tmp_path), adapter="other-s0")
    with (
        load_engine("endpoint").opened(linked, adapter, other) as model,
        pytest.raises(UserError, match=r"no model 'other-s0'.*base, bold-s0"),
    ):
        model.sample(CHATS[:1], DRAWS)


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        (["run.endpoint=null"], "say where"),
        (["run.endpoint.url=localhost"], "give an address"),
        (["run.endpoint.url=http://me:secret@here/v1"], "may hold a secret"),
        (["run.endpoint.api_key_env=sk-abc"], "api_key_env"),
        (["model.base=endpoint/llama"], "no adapter is trained"),
        (["model.base=endpoint/llama", "eval.engine=exact"], "set eval.engine: endpoint"),
        (["model.base=endpoint/llama", "model.quantization=nf4"], "quantization does nothing"),
        (["eval.steps=[3]"], "eval.steps"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_the_plan(sets: list[str], says: str) -> None:
    asked = ["eval.engine=endpoint", "run.endpoint.url=http://127.0.0.1:1/v1", *sets]
    with pytest.raises(UserError, match=says):
        make_plan(load_study(str(ROOT / "configs/quickstart.yaml"), asked))


def test_the_address_is_no_identity_and_the_name_of_the_served_model_is() -> None:
    def key(url: str, model: str) -> str:
        sets = [
            *("eval.engine=endpoint", f"run.endpoint.url={url}", f"model.base=endpoint/{model}"),
            *("groups={told: {prompted: seeking, behavior: risk}}", "contrasts=[[told, base]]"),
            "primary=null",
        ]
        return make_plan(load_study(str(ROOT / "configs/quickstart.yaml"), sets)).final.key

    assert key("http://one/v1", "llama") == key("http://other/v1", "llama")
    assert key("http://one/v1", "llama") != key("http://one/v1", "qwen")


def test_a_model_elsewhere_is_called_as_the_server_calls_it(server: Server, tmp_path: Path) -> None:
    base = resolve_base(Model(base="endpoint/bold-s0"))
    with load_engine("endpoint").opened(base, None, at(server, tmp_path)) as model:
        model.sample(CHATS[:1], Sampling(num_samples=1, max_new_tokens=1))
    assert [body["model"] for body in server.asked] == ["bold-s0"]


ASKING = """
import sys
from pathlib import Path
from lab.config.endpoint import Endpoint
from lab.config.schema import Model, Sampling
from lab.engine import Served
from lab.engines import load_engine
from lab.model.base import resolve_base
served = Served(Endpoint(url=sys.argv[1], at_a_time=4), "", Path(sys.argv[2]))
chats = [({"role": "user", "content": f"{word} ?"},) for word in sys.argv[3].split()]
with load_engine("endpoint").opened(resolve_base(Model(base="endpoint/base")), None, served) as m:
    m.sample(chats, Sampling(num_samples=40, max_new_tokens=2))
"""
"""A process that is killed in the middle of what it asks."""
WORDS = " ".join(f"word{number}" for number in range(150))


@pytest.mark.real
def test_a_client_killed_twenty_times_asks_nothing_twice_that_it_was_told(
    server: Server, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", ASKING, server.url, str(tmp_path), WORDS]
    kept = tmp_path / KEPT
    asked_before: set[str] = set()
    for kill in range(20):
        client = subprocess.Popen(command, cwd=ROOT)
        begun = len(server.asked)
        # Twelve further replies, which leaves the most for the last attempt.
        while len(server.asked) < begun + 12 and client.poll() is None:
            time.sleep(0.005)
        client.kill()
        client.wait()
        told = len(kept.read_text().split("\n")) - 1
        # What was under way when it was killed was answered to nobody.
        assert told >= len(server.asked) - 4 * (kill + 1)
        bodies = [json.dumps(body) for body in server.asked[begun:]]
        assert not asked_before & set(bodies)
        whole = kept.read_text().rpartition("\n")[0].split("\n")
        asked_before = {json.dumps(b) for b in server.asked if kept_key(b) in "".join(whole)}
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    with_all = [json.loads(line)["key"] for line in kept.read_text().split("\n") if line]
    assert len(with_all) == len(set(with_all)) == 300


def kept_key(body: dict[str, Any]) -> str:
    return digest(body)
