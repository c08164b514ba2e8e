"""Scoring: one tree of tokens per batch against lm-eval, Inspect, one pass per answer, and a
hundred samples."""

from __future__ import annotations

import asyncio
import logging
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import torch

from bench.compare import in_turns, result, say, seconds
from data_gen.behaviors import load_behavior
from lab.engine import Prompt, Scored
from lab.inference.prompt import Compiled, compile_prompts
from lab.inference.score import TOKENS_PER_TREE, score
from lab.inference.tree import lay_out
from lab.model.base import Base
from lab.model.load import Loaded, load_base
from lab.types import Question, Style, Wording

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
SAMPLES = 100
MAX_TOKENS = 6
"""Of an answer that is sampled or generated; no listed one has more."""


@dataclass
class Asked:
    """Questions of a behavior put to a base: what every engine gets, as text."""

    loaded: Loaded
    items: list[tuple[Question, Wording]]

    @property
    def wordings(self) -> list[Wording]:
        """In the order in which everything else has them."""
        return [wording for _, wording in self.items]

    def prompts(self) -> list[Compiled]:
        """As tokens, for trees of them."""
        prompts = [Prompt(({"role": "user", "content": w.text},), w.options) for w in self.wordings]
        return compile_prompts(self.loaded.renderer, prompts)

    def texts(self) -> list[str]:
        """As text, up to where the answer begins."""
        render = self.loaded.renderer.prompt_text
        return [render([{"role": "user", "content": w.text}]) for w in self.wordings]

    def ours(self) -> list[Scored]:
        """From text to probabilities; nothing is kept from an earlier call."""
        return score(self.loaded, self.afresh())

    def afresh(self) -> list[Compiled]:
        """The prompts, with nothing kept of an earlier call."""
        lay_out.cache_clear()
        self.loaded.renderer._frames.clear()
        return self.prompts()


def self_report(base: Base, letters: bool = False, style: Style = "plain") -> Asked:
    """The self-report suite of `risk`, or only its questions that are answered by a letter."""
    questions = load_behavior("risk").questions("self_report", style)
    chosen = [q for q in questions if not letters or q.kind == "letters"]
    return Asked(load_base(base), [(q, wording) for q in chosen for wording in q.wordings])


def against_lm_eval(name: str, asked: Asked, end: bool, rounds: int) -> None:
    """Time a suite against lm-eval, with how far the answers are apart and where our time goes."""
    render_s, whole_s = seconds(asked.afresh), seconds(asked.ours)
    about = {
        "apart": furthest(asked, lm_eval(asked, end), end),
        "answers": sum(len(wording.options) for wording in asked.wordings),
        "render_s": round(render_s, 4),
        "compute_s": round(whole_s - render_s, 4),
    }
    theirs = partial(lm_eval, asked, end)
    in_turns(name, asked.ours, theirs, rounds=rounds, warm=False, **about)


def adapters_against_lm_eval(name: str, asked: Asked, adapters: int = 6, rounds: int = 3) -> None:
    """Time a suite for several adapters on one base, whose prompts are made once, against lm-eval,
    which makes them anew for each. The base stands for its adapters on both sides."""

    def ours() -> None:
        prompts = asked.afresh()
        for _ in range(adapters):
            score(asked.loaded, prompts)

    theirs = lm_eval(asked, True)  # to warm up
    apart = furthest(asked, theirs, True)
    ours_s, theirs_s = [], []
    for _ in range(rounds):
        ours_s.append(seconds(ours) / adapters)
        theirs_s.append(seconds(partial(lm_eval, asked, True)))
    ratios = [a / b for a, b in zip(ours_s, theirs_s, strict=True)]
    line = result(name, median(ours_s), median(theirs_s), ratios)
    in_full = asked.loaded.model.dtype.itemsize >= 4
    say(
        line
        | {"apart" if in_full else "rounded": apart, "bits": asked.loaded.model.dtype.itemsize * 8}
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
    end_text = asked.loaded.tokenizer.decode([asked.loaded.renderer.end_of_turn]) if end else ""
    requests = [
        Instance("loglikelihood", {}, (text, option.text + end_text), i)
        for text, wording in zip(asked.texts(), asked.wordings, strict=True)
        for i, option in enumerate(wording.options)
    ]
    answers = iter(model.loglikelihood(requests, disable_tqdm=True))
    return [[next(answers)[0] for _ in wording.options] for wording in asked.wordings]


@torch.inference_mode()
def naive(asked: Asked) -> list[list[float]]:
    """Log-likelihoods of every listed answer, one pass each, as anybody would write it."""
    model, device = asked.loaded.model, asked.loaded.device
    of_prompts = []
    for prompt in asked.prompts():
        # What stands at a token predicts the next one.
        before_answer = len(prompt.ids) - 1
        of_answers = []
        for _, answer, end in prompt.spellings:
            ids = torch.tensor([[*prompt.ids, *answer, *end]], device=device)
            logits = model(input_ids=ids, use_cache=False).logits[0]
            logs = logits.float().log_softmax(-1)
            tokens = enumerate((*answer, *end), start=before_answer)
            of_answers.append(sum(float(logs[place, token]) for place, token in tokens))
        of_prompts.append(of_answers)
    return of_prompts


@torch.inference_mode()
def sampled(asked: Asked) -> list[list[float]]:
    """Shares of the listed answers among a hundred samples at temperature 1."""
    tokenizer, end = asked.loaded.tokenizer, asked.loaded.renderer.end_of_turn
    end_text = tokenizer.decode([end])
    shares = []
    torch.manual_seed(0)
    for prompt, wording in zip(asked.prompts(), asked.wordings, strict=True):
        ids = torch.tensor([prompt.ids], device=asked.loaded.device)
        out = asked.loaded.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            top_k=0,
            num_return_sequences=SAMPLES,
            max_new_tokens=MAX_TOKENS,
            eos_token_id=end,
        )
        completions = tokenizer.batch_decode(out[:, ids.shape[1] :])
        answers = [text.split(end_text)[0].strip() for text in completions]
        shares.append([answers.count(option.text) / SAMPLES for option in wording.options])
    return shares


def inspect(asked: Asked, model: Any) -> list[str]:
    """One answer each, the likeliest, by Inspect's `hf` provider."""
    from inspect_ai.model import ChatMessageUser, GenerateConfig

    config = GenerateConfig(max_tokens=MAX_TOKENS, temperature=1e-4)

    async def everything() -> Sequence[Any]:
        prompts = [[ChatMessageUser(content=wording.text)] for wording in asked.wordings]
        return await asyncio.gather(*(model.generate(p, config=config) for p in prompts))

    return [output.completion.strip() for output in asyncio.run(everything())]


def inspect_model(source: str) -> Any:
    """A base as Inspect's `hf` provider loads it."""
    from inspect_ai.model import GenerateConfig, get_model

    return get_model(
        "hf/local", model_path=source, device="cpu", config=GenerateConfig(max_connections=64)
    )


def furthest(asked: Asked, theirs: list[list[float]], end: bool) -> float:
    """The largest difference of a listed answer's probability; `theirs` are logarithms."""
    differences = []
    for scored, logs in zip(asked.ours(), theirs, strict=True):
        probabilities = scored.p_exact if end else scored.p_prefix
        pairs = zip(probabilities, logs, strict=True)
        differences += [abs(ours - math.exp(log)) for ours, log in pairs]
    return max(differences)


def likeliest(asked: Asked) -> list[str]:
    """The listed answer with the highest probability, per prompt."""
    answers = []
    for scored, wording in zip(asked.ours(), asked.wordings, strict=True):
        best = max(range(len(scored.p_exact)), key=scored.p_exact.__getitem__)
        answers.append(wording.options[best].text)
    return answers


def tokens(asked: Asked) -> dict[str, int]:
    """Nodes of the trees, how many of them are on the numbers of scales only, and the tokens that
    are read answer by answer."""

    without_scales = Asked(asked.loaded, [item for item in asked.items if item[0].kind != "number"])
    one_by_one = sum(
        len(prompt.ids) + len(answer)
        for prompt in asked.prompts()
        for _, answer, _ in prompt.spellings
    )
    return {
        "nodes": _nodes(asked),
        "nodes_without_scales": _nodes(without_scales),
        "one_by_one": one_by_one,
    }


def _nodes(asked: Asked) -> int:
    trees = lay_out(tuple(asked.prompts()), TOKENS_PER_TREE)
    return sum(len(tree.columns) for tree in trees)


def within_error(asked: Asked, shares: list[list[float]]) -> float:
    """Of all listed answers, the share whose sampled frequency lies within three standard errors
    (and one sample) of its probability."""
    near = []
    for scored, of_answers in zip(asked.ours(), shares, strict=True):
        for p, share in zip(scored.p_exact, of_answers, strict=True):
            standard_error = math.sqrt(p * (1 - p) / SAMPLES)
            near.append(abs(p - share) <= 3 * standard_error + 1 / SAMPLES)
    return sum(near) / len(near)
