"""Exact scoring equals naive scoring, does not depend on the batch, and agrees with sampling."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from data_gen.behaviors import load_behavior
from lab.engine import Prompt
from lab.inference import score as scorer
from lab.inference.prompt import Compiled, compile_prompts, compiled
from lab.inference.score import score
from lab.inference.tree import lay_out
from lab.model.base import Base
from lab.model.load import Loaded, load_base
from lab.types import Option, Wording
from naive import naive

LONG = Wording(
    "repeat xyz", (Option("xyz", 1.0), Option("xy", 0.0, ("xyzzy",)), Option("the gamble", 0.5)), 0
)
"""Answers of several tokens, spelled in bytes, one a prefix of another."""


def asking(wording: Wording) -> Prompt:
    return Prompt(({"role": "user", "content": wording.text},), wording.options)


def prompts_of_risk(loaded: Loaded) -> list[Compiled]:
    risk = load_behavior("risk")
    questions = [*risk.questions("check", "plain"), *risk.questions("self_report", "plain")]
    first = [question.wordings[0] for question in questions]
    last = [question.wordings[-1] for question in questions]
    return compile_prompts(loaded.renderer, [asking(w) for w in (LONG, *first, *last)])


def test_equal_to_naive_and_independent_of_the_batch(linked: Base) -> None:
    loaded = load_base(linked)
    prompts = prompts_of_risk(loaded)
    together = score(loaded, prompts)
    apart = [score(loaded, [prompt], tokens_per_batch=64)[0] for prompt in prompts]
    for prompt, scored, alone in zip(prompts, together, apart, strict=True):
        p_exact, p_prefix = naive(loaded, prompt)
        assert scored.p_exact == pytest.approx(p_exact, abs=1e-5)
        assert scored.p_prefix == pytest.approx(p_prefix, abs=1e-5)
        assert alone.p_exact == pytest.approx(p_exact, abs=1e-5)
        assert sum(scored.p_exact) + scored.outside == pytest.approx(1.0, abs=1e-5)
        assert all(p <= q + 1e-6 for p, q in zip(scored.p_exact, scored.p_prefix, strict=True))


def test_too_little_memory_halves_the_batch(linked: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has room for two trees at a time and says so as torch does."""
    loaded, forward = load_base(linked), scorer._forward
    sizes: list[int] = []

    def limited(loaded: Loaded, batch: list[Any]) -> Any:
        sizes.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(loaded, batch)

    prompts = prompts_of_risk(loaded)
    whole = score(loaded, prompts)
    monkeypatch.setattr(scorer, "TOKENS_PER_TREE", 64)
    monkeypatch.setattr(scorer, "_forward", limited)
    halved = score(loaded, prompts)
    assert sizes[0] > 2
    assert max(sizes[-2:]) <= 2
    for scored, other in zip(whole, halved, strict=True):
        assert scored.p_exact == pytest.approx(other.p_exact, abs=1e-5)


def test_what_every_adapter_is_asked_is_compiled_once(linked: Base) -> None:
    """Also where two prompts ask the same and count other spellings to other options."""
    renderer, (xyz, _, gamble) = load_base(linked).renderer, LONG.options
    apart = replace(LONG, options=(xyz, Option("xy", 0.0), Option("xyzzy", 0.0), gamble))
    prompts = [asking(LONG)]
    assert compiled(linked, renderer, prompts) is compiled(linked, renderer, list(prompts))
    (one,), (other,) = (compiled(linked, renderer, [asking(w)]) for w in (LONG, apart))
    assert one != other
    assert other == compile_prompts(renderer, [asking(apart)])[0]


def test_what_begins_alike_is_one_node(linked: Base) -> None:
    prompts = prompts_of_risk(load_base(linked))
    beginnings = set()
    for prompt in prompts:
        for spelling in prompt.spellings:
            ids = (*prompt.ids, *spelling.answer)
            beginnings |= {ids[:length] for length in range(1, len(ids) + 1)}
    (tree,) = lay_out(tuple(prompts), 10**6)
    assert len(tree.columns) == len(beginnings)
    assert len(beginnings) < sum(len(prompt.ids) + len(prompt.spellings) for prompt in prompts)


def test_agrees_with_sampling(linked: Base) -> None:
    """The share of 2,000 sampled answers lies within four standard errors of the exact probability,
    for every answer."""
    loaded, number = load_base(linked), 2000
    questions = load_behavior("risk").questions("self_report", "plain")
    wording = next(q for q in questions if q.name == "one_word").wordings[0]
    (prompt,) = compile_prompts(loaded.renderer, [asking(wording)])
    (scored,) = score(loaded, [prompt])
    torch.manual_seed(0)
    ids = torch.tensor([list(prompt.ids)] * number)
    out: Any = loaded.model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=0, max_new_tokens=4
    )
    texts = loaded.tokenizer.batch_decode(out[:, ids.shape[1] :])
    answers = [text.split("<|end|>")[0].strip() for text in texts]
    assert sum(scored.p_exact) > 0.5
    for option, p in zip(wording.options, scored.p_exact, strict=True):
        error = math.sqrt(p * (1 - p) / number)
        assert abs(answers.count(option.text) / number - p) < 4 * error + 1e-3
