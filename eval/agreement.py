"""The trust check of engines that ask a server: what it says is what the weights here say, with an
adapter and without it. Import this only inside a stage: torch takes seconds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

from torch import Tensor

from eval.evaluation import Evaluation
from lab.config.schema import Sampling
from lab.engine import Prompt, Scored, Served
from lab.errors import UserError
from lab.inference import remote
from lab.inference.agreement import DOUBT, NATS, Evidence, told_apart
from lab.inference.first_token import FirstTexts, first_logits
from lab.inference.local import opened
from lab.inference.plain_pass import allowed, plain_pass, spread
from lab.inference.remote import Heard
from lab.model.adapter import NAME
from lab.model.load import Loaded
from lab.store.store import digest
from lab.store.trust import Check, check, same
from lab.types import Chat, Message

NUM_PROMPTS = 24
NUM_LONGEST = 2
"""Of these the longest, where a server that cuts prompts cuts first."""
FEWEST, MOST = 40, 200
"""First tokens that are drawn of each prompt: more where an adapter is hard to tell from its base.
"""
TEMPERATURES = (1.0, 0.6)
"""Prompts are asked at these in turn: a server that has one of its own is wrong at one of them."""
OTHER_TEMPERATURES = (0.01, 0.3, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5, 2.0)
"""Those that a server may have of its own."""
SCALES = (0.25, 0.5, 2.0, 4.0)
"""By which an adapter may be scaled wrongly: `lora_alpha` left out, or applied twice."""
LINES = ("You are a helpful assistant.", "You are a helpful assistant", "")
"""System lines that servers and templates put in by themselves."""


@dataclass(frozen=True)
class Suspect:
    """What a server may have done instead of what it was asked."""

    name: str
    p_PC: Tensor
    lengths: list[int]
    """Tokens of its prompts."""


@dataclass(frozen=True)
class Side:
    """What the weights here say to the prompts, with an adapter on them or without."""

    loaded: Loaded
    chats: Sequence[Chat]
    texts: FirstTexts
    has_adapter: bool

    @cached_property
    def ids(self) -> list[tuple[int, ...]]:
        """The prompts as tokens."""
        return [self.loaded.renderer.prompt_ids(chat) for chat in self.chats]

    @cached_property
    def lengths(self) -> list[int]:
        """Of the prompts in tokens."""
        return [*map(len, self.ids)]

    @cached_property
    def logits_PV(self) -> Tensor:
        """Of the token after each prompt."""
        return first_logits(self.loaded, self.ids)

    @cached_property
    def p_PC(self) -> Tensor:
        """Of each text that an answer may begin with, as asked."""
        return self.texts.probabilities(self.logits_PV, asked_at(len(self.chats)))

    def after(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """The same [P, C] after other prompts."""
        logits_PV = first_logits(self.loaded, prompts)
        return self.texts.probabilities(logits_PV, asked_at(len(self.chats)))

    def at(self, temperature: float) -> Tensor:
        """The same [P, C] at one temperature, whatever was asked."""
        return self.texts.probabilities(self.logits_PV, [temperature] * len(self.chats))


def asked_at(number: int) -> list[float]:
    """The temperature of each of so many prompts."""
    return [TEMPERATURES[prompt % len(TEMPERATURES)] for prompt in range(number)]


def agreement_checks(
    evaluation: Evaluation,
    adapter: Path | None,
    served: Served,
    few: Sequence[Prompt],
    scores: Sequence[Scored],
) -> list[Check]:
    """Compares what a server says with the base here, and with the adapter on it. `few` are prompts
    on which the adapter shows, `scores` those of the evaluation's listed answers by the server.

    Raises UserError where either cannot be asked."""
    base, chats = evaluation.spec.base, _chats(evaluation, few)
    with opened(base, None) as here:
        off = Side(here.loaded, chats, FirstTexts(here.loaded), has_adapter=False)
        # Before an adapter is put on.
        _ = off.logits_PV
    on, num_draws, per_draw = None, FEWEST, 0.0
    if adapter:
        with opened(base, adapter) as here:
            on = Side(here.loaded, chats, off.texts, has_adapter=True)
            per_draw = told_apart(on.p_PC, off.p_PC).sum().item()
        num_draws = min(MOST, max(FEWEST, math.ceil(2 * NATS / max(per_draw, 1e-9))))
    # The base first: what is done to prompts or temperatures is done to it as well.
    with opened(base, None):
        heard = _heard(evaluation, None, served, chats, num_draws)
        stays = Suspect("the adapter on the base", on.p_PC, on.lengths) if on else None
        checks, of_base = _compared(f"{evaluation.name}, base", off, heard, stays, {})
        checks += [] if on else _scores_checked(evaluation, off, scores)
    if on is None:
        return checks
    with opened(base, adapter):
        heard = _heard(evaluation, adapter, served, chats, num_draws)
        left_out = Suspect("the adapter left out", off.p_PC, off.lengths)
        checks += _compared(evaluation.name, on, heard, left_out, of_base)[0]
        checks += _scores_checked(evaluation, on, scores)
    # Probabilities tell of themselves.
    if not scores and not any(one.log_ps for one in heard):
        nats = per_draw * num_draws
        checks.append(check(f"told_apart:{evaluation.name}", nats, NATS, nats >= NATS))
    return checks


def _chats(evaluation: Evaluation, few: Sequence[Prompt]) -> list[Chat]:
    """What both are asked: prompts on which the adapter shows, the longest, and some of all."""
    asked = [item.chat for item in evaluation.items]
    longest = sorted(asked, key=lambda chat: -sum(len(turn["content"]) for turn in chat))
    some = [asked[i] for i in spread(range(len(asked)), NUM_PROMPTS)]
    together = [*longest[:NUM_LONGEST], *(prompt.chat for prompt in few), *some]
    once: dict[str, Chat] = {digest([*chat]): chat for chat in together}
    return [*once.values()][:NUM_PROMPTS]


def _heard(
    evaluation: Evaluation,
    adapter: Path | None,
    served: Served,
    chats: Sequence[Chat],
    num_draws: int,
) -> list[Heard]:
    """The first tokens that the server draws after each prompt."""
    heard: dict[int, Heard] = {}
    with remote.opened(evaluation.spec.base, adapter, served) as model:
        for temperature in TEMPERATURES:
            prompts = [i for i, t in enumerate(asked_at(len(chats))) if t == temperature]
            sampling = Sampling(num_samples=num_draws, temperature=temperature, max_new_tokens=1)
            of_prompts = model.heard([chats[i] for i in prompts], sampling)
            heard |= dict(zip(prompts, of_prompts, strict=True))
    return [heard[i] for i in range(len(chats))]


def _compared(
    name: str,
    side: Side,
    heard: Sequence[Heard],
    mixed_up: Suspect | None,
    of_base: Mapping[str, float],
) -> tuple[list[Check], dict[str, float]]:
    """Whether what was heard is what this side says, and what else explains it if it is not; and
    the evidence for that by its name. `mixed_up` is what the server would say with an adapter too
    few, or too many; `of_base` is the evidence that was found before."""
    evidence = Evidence([one.texts for one in heard], side.texts.number, side.p_PC)
    known = [mixed_up] if mixed_up else []
    known += [
        Suspect(f"temperature {t:g} whatever is asked", side.at(t), side.lengths)
        for t in OTHER_TEMPERATURES
    ]
    nats_of = {suspect.name: evidence.of(suspect.p_PC) for suspect in known}
    nats = max(evidence.of_anything(), *nats_of.values())
    counts = [one.prompt_tokens for one in heard]
    is_counted = None not in counts
    same_counts = not is_counted or counts == side.lengths
    apart, most = _apart(side, heard), allowed(side.loaded, 1, 0.0)
    fault = ""
    if nats >= NATS or not same_counts or apart > most:
        given = [n for n in counts if n is not None]
        suspects = [*known, *_scaled_adapters(side), *_other_prompts(side, given)]
        if is_counted:
            suspects = [suspect for suspect in suspects if suspect.lengths == counts]
        nats_of = {one.name: evidence.of(one.p_PC) for one in suspects}
        possible = [
            one.name
            for one in suspects
            # What came of the base speaks against it, or something else explains what came better.
            if min(nats_of[one.name], of_base.get(one.name, 0.0) + DOUBT) > 0
            and evidence.against(one.p_PC).of_anything() < DOUBT
        ]
        left = _left(side, same_counts)
        fault = f": {max(possible, key=lambda one: nats_of[one], default=left)}"
    checks = [check(f"agrees:{name}{fault}", nats, NATS, nats < NATS)]
    if is_counted:
        checks.append(same(f"same_tokens:{name}{fault}", counts, side.lengths))
    if any(one.log_ps for one in heard):
        checks.append(check(f"log_probabilities:{name}{fault}", apart, most, apart <= most))
    return checks, nats_of


def _apart(side: Side, heard: Sequence[Heard]) -> float:
    """Nats by which log-probabilities that the server gives differ from those here: the median,
    since several tokens may have one text; 0 where it gives none."""
    log_PC = side.texts.likeliest(side.logits_PV)
    differences = [
        abs(log_p - log_PC[prompt, side.texts.number[token.strip()]].item())
        for prompt, one in enumerate(heard)
        # What a server says of another temperature may be before it or after.
        if asked_at(len(heard))[prompt] == 1.0
        for token, log_p in one.log_ps
        if token.strip() in side.texts.number
    ]
    return median(differences) if differences else 0.0


def _left(side: Side, same_counts: bool) -> str:
    """What is left where no suspect explains what came."""
    if not same_counts:
        return "another template, or another system line"
    return "another adapter, or other weights" if side.has_adapter else "other weights"


def _scaled_adapters(side: Side) -> Iterator[Suspect]:
    """Each costs a pass of its own."""
    for scale in SCALES if side.has_adapter else ():
        with _scaled(side.loaded, scale):
            yield Suspect(f"the adapter scaled by {scale:g}", side.after(side.ids), side.lengths)


def _other_prompts(side: Side, counts: Sequence[int]) -> Iterator[Suspect]:
    """What a server may have made of the prompts; `counts` are their tokens as it counts."""
    tokenizer, renderer = side.loaded.tokenizer, side.loaded.renderer
    begin = tokenizer.bos_token_id
    begun = [(ids[0] if begin is None else begin, *ids) for ids in side.ids]
    yield _suspect("a token for the beginning (BOS) added", side, begun)
    for line in LINES:
        try:
            prompts = [renderer.prompt_ids(_with_line(chat, line)) for chat in side.chats]
        except UserError:
            # The template takes none.
            continue
        name = f"the system line {line!r}" if line else "no system line"
        yield _suspect(name, side, prompts)
    most = max(counts, default=max(side.lengths) // 2)
    if most < max(side.lengths):
        ends, begins = [i[-most:] for i in side.ids], [i[:most] for i in side.ids]
        yield _suspect(f"prompts cut to their last {most} tokens", side, ends)
        yield _suspect(f"prompts cut to their first {most} tokens", side, begins)


def _suspect(name: str, side: Side, prompts: Sequence[Sequence[int]]) -> Suspect:
    return Suspect(name, side.after(prompts), [*map(len, prompts)])


def _with_line(chat: Chat, line: str) -> list[Message]:
    turns = [turn for turn in chat if turn["role"] != "system"]
    return [Message(role="system", content=line), *turns]


@contextmanager
def _scaled(loaded: Loaded, scale: float) -> Iterator[None]:
    """The adapter times a number, until the end."""
    from peft.tuners.lora import LoraLayer

    layers = [m for m in loaded.model.modules() if isinstance(m, LoraLayer) and NAME in m.scaling]
    for layer in layers:
        layer.scaling[NAME] *= scale
    try:
        yield
    finally:
        for layer in layers:
            layer.scaling[NAME] /= scale


def _scores_checked(evaluation: Evaluation, side: Side, scores: Sequence[Scored]) -> list[Check]:
    """Whether the server's probabilities of listed answers are those of a plain pass here."""
    if not scores:
        return []
    kinds = [item.question.kind for item in evaluation.listed]
    return [plain_pass(evaluation.name, side.loaded, evaluation.prompts, kinds, scores)]
