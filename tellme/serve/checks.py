"""What must hold before anything is served: every name stands for its own adapter, which does
something, and the server gives the numbers that this process gives without it."""

from collections.abc import Mapping, Sequence

from lab.engine import Prompt, Scored
from lab.engines import load_engine
from lab.errors import TrustError
from lab.model.adapter import digest_of_file, digest_of_model
from lab.model.load import base_kept, load_base
from lab.store.provenance import first_row
from lab.store.store import read_json
from lab.store.trust import APPLIED_NATS, Check, check, means, same, short
from lab.types import Option
from tellme.serve.models import ServedModel
from tellme.serve.request import MAX_MESSAGES, Asked, Said
from tellme.serve.worker import ENGINE, Worker

MOST_COMMON = 16
"""First rows of trainings that every model is asked, beside its own."""
PLAIN = Prompt(({"role": "user", "content": "yes or no?"},), (Option("yes", 1), Option("no", 0)))
"""What is asked where no adapter was trained here: any answer's probability shows an adapter."""
SAME_NATS = 1e-4
"""By which two scores of one answer may differ. They are computed in batches of the same prompts,
so that they hardly do in any dtype."""


def serving_checks(worker: Worker) -> list[Check]:
    """The checks of all models of a worker, which begins to answer here. Raises TrustError where a
    base is not what it was, once every adapter was on it and off again."""
    models = worker.models
    learned = {name: first_learned(served) for name, served in models.items()}
    common = [prompt for prompt in learned.values() if prompt][:MOST_COMMON] or [PLAIN]
    asked = {
        name: list(dict.fromkeys([*([own] if own else []), *common]))
        for name, own in learned.items()
    }
    checks: list[Check] = []
    directly: dict[str, list[Scored]] = {}
    for name, served in models.items():
        directly[name], of_adapter = _directly(served, asked[name])
        checks += of_adapter
    last = list(models.values())[-1].base
    checks.append(base_kept(last, load_base(last), "serving"))
    return checks + _served(worker, asked, directly)


def first_learned(served: ServedModel) -> Prompt | None:
    """The first row of the training of an adapter, with the answer that was learned; None where the
    adapter is from elsewhere, or the row is a document."""
    row = first_row(served.trained)
    if not row or len(row) > MAX_MESSAGES:
        return None
    *chat, answer = row
    return Prompt(tuple(chat), (Option(answer["content"], 1.0),))


def _directly(served: ServedModel, prompts: list[Prompt]) -> tuple[list[Scored], list[Check]]:
    """Scores in this process without the server, and what they say of the adapter."""
    opened = load_engine(ENGINE).opened
    with opened(*served.weights) as model:
        on = model.score(prompts)
        assert model.loaded is not None, ENGINE
        in_model = digest_of_model(model.loaded.model) if served.adapter else None
    if served.adapter is None:
        return on, []
    # The same batch without it: an adapter that does nothing makes a difference of zero.
    with opened(served.base, None) as model:
        nats = _apart(on, model.score(prompts))
    made = read_json(served.trained / "provenance.json") if served.trained else None
    expected = made["adapter"] if made else digest_of_file(served.adapter)
    return on, [
        check(f"adapter_applied:{served.name}", nats, APPLIED_NATS, nats > APPLIED_NATS),
        same(f"right_adapter:{served.name}", in_model, expected),
    ]


def _served(
    worker: Worker, asked: Mapping[str, list[Prompt]], directly: Mapping[str, list[Scored]]
) -> list[Check]:
    """Whether requests are answered as in process. They wait together, all names by turns, so that
    one answered by another adapter would show."""
    longest = max(map(len, asked.values()))
    turns = [(name, number) for number in range(longest) for name in asked]
    waiting = {
        (name, number): worker.ask(_request(name, asked[name][number]))
        for name, number in turns
        if number < len(asked[name])
    }
    worker.start()
    checks = []
    for name, scores in directly.items():
        replies = [waiting[name, number].result().scored for number in range(len(scores))]
        nats = _apart(scores, [scored for scored in replies if scored])
        checks.append(check(f"served:{name}", nats, SAME_NATS, nats <= SAME_NATS))
    return checks


def _request(name: str, prompt: Prompt) -> Asked:
    return Asked(
        model=name,
        messages=tuple(Said(role=said["role"], content=said["content"]) for said in prompt.chat),
        continuations=tuple(option.text for option in prompt.options),
    )


def _apart(one: Sequence[Scored], other: Sequence[Scored]) -> float:
    """The largest difference of the log-probability of an answer."""
    return max(
        abs(a - b)
        for first, second in zip(one, other, strict=True)
        for a, b in zip(first.log_exact, second.log_exact, strict=True)
    )


def refuse_failed(checks: Sequence[Check]) -> None:
    """Raises TrustError with the first check that failed."""
    failed = [one for one in checks if not one["passed"]]
    if failed:
        first = failed[0]
        raise TrustError(
            f"trust check {first['check']} failed: {short(first['value'])} against"
            f" {short(first['threshold'])} (it must hold that {means(first)}); nothing is served"
        )
