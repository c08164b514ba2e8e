"""The lab's suites as tasks of Inspect, with the lab's exact scores, of a model that `tellme serve`
serves:

    inspect eval tellme/serve/inspect_tasks.py@suite -T suite=self_report -T behavior=risk \\
        --model openai-api/tellme/seeking-s0
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    ModelOutput,
    get_model,
)
from inspect_ai.scorer import Score, Scorer, Target, grouped, mean, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver
from openai import AsyncOpenAI

from lab.agreed import UNLISTED
from lab.chats import begun, composed
from lab.engine import Scored, log_of, log_sum
from lab.errors import UserError, unknown
from lab.strict import Strict
from lab.types import Chat, Kind, Message, Question, Style
from tellme.study.asked_questions import questions

STYLES: dict[str, Style] = {"natural": "natural", "plain": "plain"}


class Listed(Strict):
    """What a sample carries: its question, and the answers that it lists."""

    question: str
    kind: Kind
    spellings: list[list[str]]
    """Of each answer, the first as it is called."""
    scores: list[float]
    """What each answer is worth."""


class Read(Strict):
    """What was read of them."""

    log_exact: list[float]
    """Of each answer, all its spellings together, with the end of turn."""
    log_prefix: list[float]


@task
def suite(
    suite: str = "self_report",
    behavior: str | None = None,
    style: str = "natural",
    system: str | None = None,
) -> Task:
    """A suite, or a file of questions, about a behavior or by itself; `system` is a line before
    every question. What it asks in free text or in conversations lists no answers and is left out.
    Raises UserError where nothing is left."""
    if style not in STYLES:
        raise unknown("style", style, STYLES)
    asked = questions(suite, behavior, STYLES[style])
    listed = [question for question in asked if question.kind != "text" and not question.partner]
    if not listed:
        raise UserError(
            f"suite {suite!r} lists no answers here, so that none is scored exactly; name a"
            " `behavior` that it asks about, or ask it in a study, which samples and grades it"
        )
    line: list[Message] = [] if system is None else [{"role": "system", "content": system}]
    samples = [sample for question in listed for sample in _samples(question, line)]
    return Task(
        dataset=MemoryDataset(samples, name=suite),
        solver=read_list(),
        scorer=exact(),
        name=suite,
        metadata={"behavior": behavior, "style": style, "left_out": len(asked) - len(listed)},
    )


def _samples(question: Question, line: Chat) -> Iterator[Sample]:
    """A sample per wording."""
    for wording in question.wordings:
        listed = Listed(
            question=question.name,
            kind=question.kind,
            spellings=[[option.text, *option.variants] for option in wording.options],
            scores=[option.score for option in wording.options],
        )
        yield Sample(
            id=sample_id(question.name, wording.paraphrase, wording.order),
            input=chat_messages(begun(composed(line, wording), wording)),
            metadata=listed.model_dump(),
        )


def sample_id(question: str, paraphrase: int, order: int) -> str:
    """Of a wording, in tasks and in logs alike."""
    return f"{question}-{paraphrase}-{order}"


def chat_messages(chat: Chat) -> list[ChatMessage]:
    """A chat as Inspect has it."""
    return [_chat_message(turn) for turn in chat]


def _chat_message(turn: Message) -> ChatMessage:
    match turn["role"]:
        case "system":
            return ChatMessageSystem(content=turn["content"])
        case "user":
            return ChatMessageUser(content=turn["content"])
        case "assistant":
            return ChatMessageAssistant(content=turn["content"])


@solver
def read_list() -> Solver:
    """Reads how probable every listed answer is, and takes the likeliest as what was said."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        listed = state.metadata_as(Listed)
        chat = [{"role": m.role, "content": m.text} for m in state.messages]
        found = iter(await _continuations(chat, [s for own in listed.spellings for s in own]))
        pairs = [[next(found) for _ in own] for own in listed.spellings]
        read = Read(
            log_exact=[log_sum([exact for exact, _ in own]) for own in pairs],
            log_prefix=[log_sum([prefix for _, prefix in own]) for own in pairs],
        )
        state.store.set("read", read.model_dump())
        likeliest = max(range(len(pairs)), key=read.log_exact.__getitem__)
        state.output = ModelOutput.from_content(str(state.model), listed.spellings[likeliest][0])
        return state

    return solve


async def _continuations(
    chat: Sequence[dict[str, str]], texts: Sequence[str]
) -> list[tuple[float, float]]:
    """The log-probability of each text after a chat, with the end of turn and without. Raises
    UserError where the model's server does not give them."""
    model = get_model()
    client = getattr(model.api, "client", None)
    if not isinstance(client, AsyncOpenAI):
        raise UserError(
            f"model {model.name!r} is not at an address; serve it with `tellme serve`, and name it"
            " openai-api/tellme/GROUP-sSEED"
        )
    # Inspect's name of it has that of the service before it.
    body = {"model": model.name.rpartition("/")[2], "messages": chat, "continuations": texts}
    reply = await client.post("/chat/completions", cast_to=object, body=body)
    said = reply.get("continuation_logprobs") if isinstance(reply, dict) else None
    if said is None or len(said) != len(texts):
        raise UserError(
            f"the server of {model.name!r} does not give the log-probabilities of whole"
            " answers; serve the model with `tellme serve`"
        )
    return [(log_of(one["logprob"]), log_of(one["prefix_logprob"])) for one in said]


@scorer(metrics=[grouped(mean(), "question", all=False)])
def exact() -> Scorer:
    """The score of a wording as a study has it: what every listed answer is worth by its
    probability, and ½ for what is not listed."""

    async def score(state: TaskState, target: Target) -> Score:
        listed = state.metadata_as(Listed)
        read = Read.model_validate(state.store.get("read"))
        scored = Scored(tuple(read.log_exact), tuple(read.log_prefix)).counted(listed.kind)
        pairs = zip(scored.p_exact, listed.scores, strict=True)
        value = sum(p * worth for p, worth in pairs) + scored.outside * UNLISTED
        return Score(
            value=value,
            answer=state.output.completion,
            metadata={
                "p": dict(zip([own[0] for own in listed.spellings], scored.p_exact, strict=True)),
                "outside": scored.outside,
            },
        )

    return score
