"""Scoring: one tree of tokens per batch against lm-eval, Inspect, one pass per answer, and a
hundred samples."""

from __future__ import annotations

import asyncio
import logging
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from data_gen.behaviors import load_behavior
from lab.engines.exact import TOKENS_PER_TREE, Scored, score
from lab.engines.prompt import Prompt, compile_prompts
from lab.engines.tree import lay_out
from lab.model.load import Loaded, load_base
from lab.types import Question, Style, Wording

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
SAMPLES, MAX_TOKENS = 100, 6


@dataclass
class Asked:
    """Questions of a behavior put to a base: what every engine gets, as text."""

    loaded: Loaded
    items: list[tuple[Question, Wording]]

    def prompts(self) -> list[Prompt]:
        return compile_prompts(
            self.loaded.renderer,
            [[{"role": "user", "content": w.text}] for _, w in self.items],
            [w for _, w in self.items],
        )

    def texts(self) -> list[str]:
        return [
            self.loaded.renderer.prompt_text([{"role": "user", "content": w.text}])
            for _, w in self.items
        ]

    def ours(self) -> list[Scored]:
        """From text to probabilities; nothing is kept from an earlier call."""
        return score(self.loaded, self.afresh())

    def afresh(self) -> list[Prompt]:
        lay_out.cache_clear()
        self.loaded.renderer._frames.clear()
        return self.prompts()


def self_report(base: Any, letters: bool = False, style: Style = "plain") -> Asked:
    questions = load_behavior("risk").questions("self_report", style)
    return Asked(
        load_base(base),
        [(q, w) for q in questions for w in q.wordings if not letters or q.kind == "letters"],
    )


def lm_eval(asked: Asked, end: bool) -> list[list[float]]:
    """Log-likelihoods of every listed answer by lm-eval's `hf`, its cache of single tokens on, as
    it comes; with the `end` of the turn, as tellme counts an answer, or only as it begins."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model = HFLM(
        pretrained=asked.loaded.model,
        tokenizer=asked.loaded.tokenizer,
        batch_size=64,
        device=str(asked.loaded.device),
    )
    close = asked.loaded.tokenizer.decode([asked.loaded.renderer.end_of_turn]) if end else ""
    requests = [
        Instance("loglikelihood", {}, (text, option.text + close), i)
        for text, (_, w) in zip(asked.texts(), asked.items, strict=True)
        for i, option in enumerate(w.options)
    ]
    said = iter(model.loglikelihood(requests, disable_tqdm=True))
    return [[next(said)[0] for _ in w.options] for _, w in asked.items]


@torch.inference_mode()
def naive(asked: Asked) -> list[list[float]]:
    """One pass per answer, as anybody would write it."""
    found = []
    for prompt in asked.prompts():
        values = []
        for _, answer, end in prompt.spellings:
            ids = torch.tensor([[*prompt.ids, *answer, *end]], device=asked.loaded.device)
            logs = (
                asked.loaded.model(input_ids=ids, use_cache=False).logits[0].float().log_softmax(-1)
            )
            values.append(
                sum(
                    float(logs[len(prompt.ids) - 1 + i, token])
                    for i, token in enumerate((*answer, *end))
                )
            )
        found.append(values)
    return found


@torch.inference_mode()
def sampled(asked: Asked) -> list[list[float]]:
    """Shares of the listed answers among a hundred samples at temperature 1."""
    tokenizer, shares = asked.loaded.tokenizer, []
    torch.manual_seed(0)
    for prompt, (_, wording) in zip(asked.prompts(), asked.items, strict=True):
        ids = torch.tensor([prompt.ids], device=asked.loaded.device)
        end = asked.loaded.renderer.end_of_turn
        out = asked.loaded.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            top_k=0,
            num_return_sequences=SAMPLES,
            max_new_tokens=MAX_TOKENS,
            eos_token_id=end,
        )
        said = [
            text.split(tokenizer.decode([end]))[0].strip()
            for text in tokenizer.batch_decode(out[:, ids.shape[1] :])
        ]
        shares.append([said.count(option.text) / SAMPLES for option in wording.options])
    return shares


def inspect(asked: Asked, model: Any) -> list[str]:
    """One answer each, the likeliest, by Inspect's `hf` provider."""
    from inspect_ai.model import ChatMessageUser, GenerateConfig

    config = GenerateConfig(max_tokens=MAX_TOKENS, temperature=1e-4)

    async def everything() -> Sequence[Any]:
        return await asyncio.gather(
            *(
                model.generate([ChatMessageUser(content=w.text)], config=config)
                for _, w in asked.items
            )
        )

    return [output.completion.strip() for output in asyncio.run(everything())]


def inspect_model(source: str) -> Any:
    from inspect_ai.model import GenerateConfig, get_model

    return get_model(
        "hf/local", model_path=source, device="cpu", config=GenerateConfig(max_connections=64)
    )


def furthest(asked: Asked, theirs: list[list[float]], end: bool) -> float:
    """The largest difference of a listed answer's probability; `theirs` are logarithms."""
    ours = [scored.p_exact if end else scored.p_prefix for scored in asked.ours()]
    pairs = [
        (a, math.exp(b))
        for mine, logs in zip(ours, theirs, strict=True)
        for a, b in zip(mine, logs, strict=True)
    ]
    return max(abs(a - b) for a, b in pairs)


def tokens(asked: Asked) -> dict[str, int]:
    """Nodes of the trees, how many of them are on the numbers of scales only, and the tokens that
    are read answer by answer."""

    def nodes(items: list[tuple[Question, Wording]]) -> int:
        return sum(
            len(tree.columns)
            for tree in lay_out(tuple(Asked(asked.loaded, items).prompts()), TOKENS_PER_TREE)
        )

    words = [item for item in asked.items if item[0].kind != "number"]
    apart = sum(
        len(prompt.ids) + len(answer)
        for prompt in asked.prompts()
        for _, answer, _ in prompt.spellings
    )
    return {"nodes": nodes(asked.items), "nodes_without_scales": nodes(words), "one_by_one": apart}


def within_error(asked: Asked, shares: list[list[float]]) -> float:
    """Of all listed answers, the share whose sampled frequency lies within three standard errors
    (and one sample) of its probability."""
    scored = asked.ours()
    near = [
        abs(p - share) <= 3 * math.sqrt(p * (1 - p) / SAMPLES) + 1 / SAMPLES
        for one, found in zip(scored, shares, strict=True)
        for p, share in zip(one.p_exact, found, strict=True)
    ]
    return sum(near) / len(near)
