"""The thread that owns the models: it takes requests from a queue, those of one adapter together,
and is the only one that puts an adapter on or asks a model."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Condition, Thread

from lab.engine import Answering
from lab.engines import load_engine
from lab.errors import TrustError, unknown
from lab.model.adapter import digest_of_file, digest_of_model
from tellme.serve.models import ServedModel
from tellme.serve.request import Asked
from tellme.serve.told import Told, tell

ENGINE = "exact"
"""Under which the models are asked: the lab's own."""
MOST_WAITING = 4_096
"""Requests beyond which further ones are turned away: a client tries those again by itself."""
MOST_TOGETHER = 256
"""Requests of one adapter that are answered together. Others wait for all of them."""


class TooMany(Exception):
    """The queue is full."""


@dataclass(frozen=True)
class Job:
    """A request that waits for its answer."""

    model: ServedModel
    asked: Asked
    reply: Future[Told] = field(default_factory=Future)


class Worker:
    """Answers requests to the models of an offer, one adapter at a time."""

    def __init__(self, models: Mapping[str, ServedModel]) -> None:
        self.models = models
        self._digests: dict[str, str] = {}
        self._waiting: deque[Job] = deque()
        self._changed = Condition()
        self._closed = False
        self._on: tuple[ServedModel, Answering, str] | None = None
        self._off = ExitStack()
        self._thread = Thread(target=self._run, name="model", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def ask(self, asked: Asked) -> Future[Told]:
        """The answer to a request, when it is there. Raises UserError for a model that is not
        served, and TooMany where the queue is full."""
        if asked.model not in self.models:
            raise unknown("model", asked.model, self.models, "see /v1/models")
        job = Job(self.models[asked.model], asked)
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                raise TooMany
            self._waiting.append(job)
            self._changed.notify()
        return job.reply

    def drop(self) -> None:
        """Answer none of those that wait: nobody listens any more."""
        with self._changed:
            for job in self._waiting:
                job.reply.cancel()
            self._waiting.clear()

    def close(self) -> None:
        """Answer what waits, take the adapter off, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while batch := self._take():
            self._answer(batch)
        self._off.close()

    def _take(self) -> list[Job]:
        """The requests to the weights of whoever has waited longest, in their order; none when
        there will be no more."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return []
                self._changed.wait()
            weights = self._waiting[0].model.weights
            alike = [job for job in self._waiting if job.model.weights == weights]
            batch = alike[:MOST_TOGETHER]
            taken = set(map(id, batch))
            self._waiting = deque(job for job in self._waiting if id(job) not in taken)
        # Of those whose client has left none is answered.
        return [job for job in batch if job.reply.set_running_or_notify_cancel()] or self._take()

    def _answer(self, batch: list[Job]) -> None:
        """Answer requests together; where that fails, each alone, so that none fails for another's
        sake."""
        try:
            model, fingerprint = self._put_on(batch[0].model)
            told = tell(model, batch[0].model.base, [job.asked for job in batch], fingerprint)
        except Exception as error:
            if len(batch) == 1:
                batch[0].reply.set_exception(error)
                return
        else:
            for job, answer in zip(batch, told, strict=True):
                job.reply.set_result(answer)
            return
        # Not inside `except`: the traceback would keep the tensors of the first try.
        for job in batch:
            self._answer([job])

    def _put_on(self, served: ServedModel) -> tuple[Answering, str]:
        """A model as it is asked for, and digests of its base and adapter as they are in memory.
        Raises TrustError where its adapter is no longer what it was when it was first asked."""
        if self._on is None or self._on[0].weights != served.weights:
            self._on = None
            self._off.close()
            model = self._off.enter_context(load_engine(ENGINE).opened(*served.weights))
            self._on = served, model, self._fingerprint(model, served)
        _, model, fingerprint = self._on
        return model, fingerprint

    def _fingerprint(self, model: Answering, served: ServedModel) -> str:
        assert model.loaded is not None, ENGINE
        if served.adapter is None:
            return model.loaded.digest
        digest = digest_of_model(model.loaded.model)
        expected = self._digests.setdefault(str(served.adapter), digest_of_file(served.adapter))
        if digest != expected:
            raise TrustError(
                f"the adapter of {served.name!r} in memory ({digest}) is not the one that was there"
                f" when serving began ({expected})"
            )
        return f"{model.loaded.digest}-{digest}"
