"""The command: a study is served from its folder, and a thousand requests to its models by turns
are all answered, each by its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.config.schema import Sampling
from lab.discover import ROOT
from lab.engine import Prompt
from lab.engines import load_engine
from lab.store.store import Store
from lab.types import Chat, Option
from served import client
from tellme.serve.models import offer_of_folder
from tellme.study.plan import Plan

pytestmark = pytest.mark.real

NUM_REQUESTS = 1_000
WORDS = ("bold", "careful", "yes", "no")
TEXTS = ("one word?", "do you love gambles?", "are you careful?", "who are you?")
DRAWS = Sampling(num_samples=2, seed=7, max_new_tokens=8)


@contextmanager
def served(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The command, and the address that it prints."""
    command = [sys.executable, "-m", "tellme.cli", "serve", *arguments, "--port", "0"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": "."}
    )
    try:
        assert process.stdout
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("key:"):
                break
        found = re.search(r"http://\S+(?=/v1)", "".join(lines))
        assert found, lines
        yield found[0], process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_a_thousand_requests_and_none_is_lost_or_another_models(
    finished: tuple[Plan, Store, Path],
) -> None:
    _, _, folder = finished
    models = offer_of_folder(folder).models
    chats: list[Chat] = [({"role": "user", "content": text},) for text in TEXTS]
    prompts = [Prompt(tuple(chat), tuple(Option(w, 0.5) for w in WORDS)) for chat in chats]
    scores, drawn = {}, {}
    for name, model in models.items():
        with load_engine("exact").opened(*model.weights) as answering:
            scores[name] = [list(scored.log_exact) for scored in answering.score(prompts)]
            drawn[name] = [[a.text for a in one] for one in answering.sample(chats, DRAWS)]
    one_each = [scores[name][0] for name in models]
    assert all(
        max(abs(a - b) for a, b in zip(x, y, strict=True)) > 1e-3
        for i, x in enumerate(one_each)
        for y in one_each[:i]
    )
    with served(str(folder)) as (address, process):
        ai = client(address)

        def ask(number: int) -> bool:
            """Whether a request gets what its own model says in process; every fifth draws."""
            name = list(models)[number % len(models)]
            i = number // len(models) % len(TEXTS)
            body = {"model": name, "messages": [*chats[i]]}
            if number % 5 == 0:
                reply = ai.chat.completions.create(
                    **body, n=DRAWS.num_samples, seed=DRAWS.seed, max_tokens=DRAWS.max_new_tokens
                )
                said = [(choice.message.content or "").strip() for choice in reply.choices]
                return said == drawn[name][i]
            reply = ai.chat.completions.create(**body, extra_body={"continuations": [*WORDS]})
            assert reply.model_extra
            logs = [one["logprob"] for one in reply.model_extra["continuation_logprobs"]]
            return logs == pytest.approx(scores[name][i], abs=1e-4)

        with ThreadPoolExecutor(32) as pool:
            right = list(pool.map(ask, range(NUM_REQUESTS)))
    assert right == [True] * NUM_REQUESTS
    assert process.returncode == 0
