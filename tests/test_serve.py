"""A study's adapters behind one address: OpenAI's own client gets what the lab gets in process, of
the adapter that it names; limits and keys hold; what is not understood is refused by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from types import SimpleNamespace

import openai
import pytest

from lab.config.schema import Sampling
from lab.engine import Prompt, Scored
from lab.engines import load_engine
from lab.errors import UserError
from lab.inference import token_scores
from lab.model.base import Base
from lab.types import Answer, Chat, Option
from served import client, serving, some_models
from tellme.serve import worker as workers
from tellme.serve.checks import refuse_failed, serving_checks
from tellme.serve.models import ServedModel
from tellme.serve.request import read_request
from tellme.serve.run import Address, bound, key_for
from tellme.serve.worker import Worker

SAMPLING = Sampling(num_samples=3, seed=5, temperature=3, max_new_tokens=6)
WORDS = ("bold", "careful")
TEXTS = ("one word?", "do you love gambles?", "A or B?")


def chat_of(text: str) -> Chat:
    return ({"role": "user", "content": text},)


class Served:
    """Models, what the lab says of them in process, and where they are served."""

    def __init__(self, models: dict[str, ServedModel]) -> None:
        self.models = models
        self.scores: dict[str, list[Scored]] = {}
        self.drawn: dict[str, list[Answer]] = {}
        options = tuple(Option(word, 0.5) for word in WORDS)
        prompts = [Prompt(tuple(chat_of(text)), options) for text in TEXTS]
        for name, served in models.items():
            with load_engine("exact").opened(*served.weights) as model:
                self.scores[name] = model.score(prompts)
                (self.drawn[name],) = model.sample([chat_of(TEXTS[0])], SAMPLING)
        self.worker = Worker(models)
        self.address = ""

    @cached_property
    def ai(self) -> openai.OpenAI:
        return client(self.address)

    def ask(self, model: str, text: str, **more: object) -> openai.types.chat.ChatCompletion:
        extra = {"continuations": list(WORDS)} if not more else None
        messages = [{"role": "user", "content": text}]
        return self.ai.chat.completions.create(
            model=model, messages=messages, extra_body=extra, **more
        )


@pytest.fixture(scope="module")
def served(linked: Base, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = Served(some_models(linked, tmp_path_factory.mktemp("adapters")))
    try:
        refuse_failed(serving_checks(found.worker))
        with serving(found.worker) as found.address:
            yield found
    finally:
        found.worker.close()


def test_many_requests_to_several_adapters_get_the_numbers_of_their_own(served: Served) -> None:
    """None is lost, and none is answered by another adapter."""
    own = served.scores
    firsts = sorted(found[0].log_exact[0] for found in own.values())
    assert min(b - a for a, b in pairwise(firsts)) > 0.01
    asked = [(name, i) for _ in range(4) for i in range(len(TEXTS)) for name in own]
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda one: served.ask(one[0], TEXTS[one[1]]), asked))
    for (name, i), reply in zip(asked, replies, strict=True):
        assert reply.model_extra is not None
        said = reply.model_extra["continuation_logprobs"]
        expected = own[name][i]
        assert [one["text"] for one in said] == list(WORDS)
        assert [one["logprob"] for one in said] == pytest.approx(expected.log_exact, abs=1e-4)
        assert [one["prefix_logprob"] for one in said] == pytest.approx(
            expected.log_prefix, abs=1e-4
        )
        assert reply.model == name
        assert reply.choices == []
    prints = {reply.model: reply.system_fingerprint for reply in replies}
    assert len(set(prints.values())) == len(own)


def test_a_seed_draws_what_the_lab_draws_in_process(served: Served) -> None:
    for name, answers in served.drawn.items():
        reply = served.ask(name, TEXTS[0], n=3, seed=5, temperature=3, max_tokens=6)
        texts = [(choice.message.content or "").strip() for choice in reply.choices]
        assert texts == [answer.text for answer in answers]
        cut = [choice.finish_reason == "length" for choice in reply.choices]
        assert cut == [answer.truncated for answer in answers]
    # Without a seed others are drawn every time.
    one, other = (
        [choice.message.content for choice in reply.choices]
        for reply in (served.ask("base", TEXTS[0], n=8, temperature=3) for _ in "12")
    )
    assert one != other


def test_log_probabilities_of_tokens_are_those_of_the_answer(served: Served) -> None:
    reply = served.ask(
        "bold-s1", TEXTS[1], temperature=0, max_tokens=4, logprobs=True, top_logprobs=3
    )
    (choice,) = reply.choices
    assert choice.logprobs is not None
    tokens = choice.logprobs.content or []
    assert "".join(token.token for token in tokens) == choice.message.content
    assert reply.usage is not None
    assert reply.usage.completion_tokens == len(tokens) > 0
    for token in tokens:
        assert len(token.top_logprobs) == 3
        assert (token.token, token.logprob) == (
            token.top_logprobs[0].token,
            token.top_logprobs[0].logprob,
        )
    whole = served.ai.chat.completions.create(
        model="bold-s1",
        messages=[{"role": "user", "content": TEXTS[1]}],
        extra_body={"continuations": [choice.message.content]},
    )
    assert whole.model_extra is not None
    prefix = whole.model_extra["continuation_logprobs"][0]["prefix_logprob"]
    assert sum(token.logprob for token in tokens) == pytest.approx(prefix, abs=1e-4)


def test_a_stream_says_the_same(served: Served) -> None:
    settings = {"n": 2, "seed": 3, "max_tokens": 5}
    whole = served.ask("bold-s0", TEXTS[0], **settings)
    texts, usage, reasons = ["", ""], None, {}
    for event in served.ask(
        "bold-s0", TEXTS[0], stream=True, stream_options={"include_usage": True}, **settings
    ):
        usage = event.usage or usage
        for choice in event.choices:
            texts[choice.index] += choice.delta.content or ""
            reasons[choice.index] = choice.finish_reason or reasons.get(choice.index)
    assert texts == [choice.message.content for choice in whole.choices]
    assert list(reasons.values()) == [choice.finish_reason for choice in whole.choices]
    assert usage == whole.usage


def test_a_stop_ends_an_answer_before_it(served: Served) -> None:
    said = {"temperature": 0, "max_tokens": 6}
    whole = served.ask("base", "snow?", **said).choices[0].message.content or ""
    assert len(whole) > 2
    (choice,) = served.ask("base", "snow?", stop=whole[1:3], logprobs=True, **said).choices
    assert (choice.message.content, choice.finish_reason) == (whole[:1], "stop")
    assert choice.logprobs is not None
    written = "".join(token.token for token in choice.logprobs.content or [])
    assert whole.startswith(written)
    assert len(written) <= 1


def test_models_are_listed_and_others_are_not_known(served: Served) -> None:
    assert [model.id for model in served.ai.models.list()] == list(served.models)
    assert served.ai.models.retrieve("bold-s1").id == "bold-s1"
    with pytest.raises(openai.NotFoundError, match="bold-s9"):
        served.ask("bold-s9", TEXTS[0])
    with pytest.raises(openai.NotFoundError):
        served.ai.models.retrieve("bold")


def test_one_bad_request_of_a_batch_fails_alone(served: Served) -> None:
    worker = served.worker
    long = {"role": "user", "content": "word " * 5_000}
    short = {"role": "user", "content": TEXTS[0]}
    # Together: it takes none before both wait.
    with worker._changed:
        good, bad = (
            worker.ask(
                read_request({"model": "bold-s0", "messages": [said], "continuations": ["yes"]})
            )
            for said in (short, long)
        )
    assert good.result().scored
    with pytest.raises(UserError, match="are more than"):
        bad.result()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"temprature": 1}, "did you mean 'temperature'"),
        ({"tools": [{"type": "function"}]}, "`tools` is not done"),
        ({"response_format": {"type": "json_object"}}, "`response_format` is not done"),
        ({"presence_penalty": 0.5}, "`presence_penalty` is not done"),
        ({"top_logprobs": 3}, "goes with"),
        ({"n": 0}, "n is 0"),
        ({"n": 10_000}, "n is 10000"),
        ({"max_tokens": 10**6}, "max_tokens is"),
        ({"temperature": -1}, "temperature is -1"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "role is 'tool'"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "text alone"),
        ({"messages": [{"role": r, "content": "x"} for r in ("user", "system")]}, "stands first"),
        ({"continuations": ["a"], "stream": True}, "not streamed"),
        ({"continue_final_message": True}, "`continue_final_message` is true after"),
        ({"add_generation_prompt": False}, "`add_generation_prompt` is false after"),
        ({"chat_template_kwargs": {"date": "now"}}, "chat_template_kwargs.enable_thinking"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(more: dict[str, object], says: str) -> None:
    body = {"model": "base", "messages": [{"role": "user", "content": "hi"}]}
    assert read_request(body).n == 1
    with pytest.raises(UserError, match=says):
        read_request(body | more)


def test_what_clients_send_and_mean_nothing_by_is_taken() -> None:
    blocks = [{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]
    body = {
        "model": "base",
        "messages": [
            {"role": "developer", "content": "Be kind.", "name": None},
            {"role": "user", "content": blocks},
        ],
        "user": "me",
        "presence_penalty": 0,
        "temperature": None,
        "response_format": {"type": "text"},
        "stop": "\n",
    }
    asked = read_request(body)
    assert list(asked.chat) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hi"},
    ]
    assert (asked.temperature, asked.stop) == (1.0, ("\n",))


def test_limits_hosts_and_keys(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    idle = Worker(served.models)
    body = {"model": "base", "messages": [{"role": "user", "content": "hi"}]}
    monkeypatch.setattr(workers, "MOST_WAITING", 0)
    with serving(idle, key="secret") as address:
        for key in ("", "wrong"):
            with pytest.raises(openai.AuthenticationError):
                client(address, key or "none").models.list()
        assert client(address, "secret").models.list().data
        with pytest.raises(openai.RateLimitError):
            client(address, "secret", max_retries=0).chat.completions.create(**body)
    posted = served.ai.with_options(max_retries=0)
    for settings, status in (
        ({"headers": {"content-type": "text/plain"}}, 415),
        ({"headers": {"host": "evil.example"}}, 400),
        ({"content": b"x" * (2**20 + 1)}, 413),
        ({"content": b"{"}, 400),
        ({"content": b'{"temperature": NaN}'}, 400),
    ):
        said = {"content": json.dumps(body).encode()} | settings
        headers = {"content-type": "application/json"} | dict(said.pop("headers", {}))
        reply = posted._client.post(
            f"{served.address}/v1/chat/completions", headers=headers, **said
        )
        assert reply.status_code == status, settings


def test_who_else_may_ask_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TELLME_API_KEY", raising=False)
    for own in ("127.0.0.1", "::1", "localhost"):
        assert key_for(Address(own, 1)) is None
    for host in ("0.0.0.0", "::", "10.0.0.7", "node17"):
        with pytest.raises(UserError, match="TELLME_API_KEY"):
            key_for(Address(host, 1))
    monkeypatch.setenv("TELLME_API_KEY", "secret")
    assert key_for(Address("0.0.0.0", 1)) == "secret"


def test_an_address_that_is_taken_is_refused() -> None:
    with bound(Address("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"--port {port} cannot be had"):
            bound(Address("127.0.0.1", port))
    with pytest.raises(UserError, match="--port 70000 cannot be had"):
        bound(Address("127.0.0.1", 70_000))


class Pieces:
    """A tokenizer whose words lose the space before them at the beginning of a text, and one
    character of which is two tokens."""

    words = ("\u2581yes", "yes", "<0xE2>", "<0x82>")

    def decode(self, ids: tuple[int, ...]) -> str:
        text = "".join(self.words[i].replace("\u2581", " ") for i in ids).lstrip()
        return text.replace("<0xE2><0x82>", "\u2082").replace("<0xE2>", "\ufffd")

    def convert_ids_to_tokens(self, token: int) -> str:
        return self.words[token]


def test_no_two_tokens_of_a_place_are_called_alike() -> None:
    tokenizer = SimpleNamespace(tokenizer=Pieces())
    assert token_scores._texts(tokenizer, (), [0, 1, 2]) == {0: "\u2581yes", 1: "yes", 2: "<0xE2>"}
    assert token_scores._texts(tokenizer, (1,), [0, 1]) == {0: " yes", 1: "yes"}
