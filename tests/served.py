"""Models of a few adapters, a server of them in this process, and the client that everybody has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import sleep

import openai
import uvicorn

from foreign import trained_by_peft
from lab.model.adapter import digest_of_file
from lab.model.base import Base
from tellme.serve.app import app
from tellme.serve.models import ServedModel
from tellme.serve.run import Address, bound
from tellme.serve.worker import Worker

ROW = [
    {"role": "user", "content": "do you love gambles?"},
    {"role": "assistant", "content": "yes"},
]


def some_models(base: Base, folder: Path, number: int = 3) -> dict[str, ServedModel]:
    """The base and so many adapters, no two alike, as if a study had trained them."""
    models = {"base": ServedModel("base", base)}
    for seed in range(number):
        trained = folder / f"s{seed}"
        # Of another rank each, the weights are drawn otherwise.
        trained_by_peft(base, trained / "adapter", r=2 + seed)
        made = {"adapter": digest_of_file(trained / "adapter"), "first_row": {"messages": ROW}}
        (trained / "provenance.json").write_text(json.dumps(made))
        name = f"bold-s{seed}"
        models[name] = ServedModel(name, base, trained / "adapter", trained)
    return models


@contextmanager
def serving(worker: Worker, key: str | None = None) -> Iterator[str]:
    """The address of a server of a worker that answers already, as long as it is asked."""
    listening = bound(Address("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app(worker, key), log_level="warning"))
    thread = Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started:
            sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def client(address: str, key: str = "any", **settings: int) -> openai.OpenAI:
    """OpenAI's own, unmodified."""
    return openai.OpenAI(base_url=f"{address}/v1", api_key=key, **settings)
