"""Exact scoring equals naive scoring, does not depend on the batch, and agrees with sampling."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from data_gen.behaviors import load_behavior
from lab.engines import exact as scoring
from lab.engines.exact import Prompt, compile_prompts, score
from lab.model.base import Base
from lab.model.load import Loaded, load_base
from lab.types import Option, Wording
from naive import naive

LONG = Wording(
    "repeat xyz", (Option("xyz", 1.0), Option("xy", 0.0, ("xyzzy",)), Option("the gamble", 0.5)), 0
)
"""Answers of several tokens, spelled in bytes, one a prefix of another."""


def prompts_of(loaded: Loaded) -> list[Prompt]:
    questions = [
        q
        for purpose in ("check", "self_report")
        for q in load_behavior("risk").questions(purpose, "plain")
    ]
    wordings = [LONG, *(q.wordings[0] for q in questions), *(q.wordings[-1] for q in questions)]
    return compile_prompts(
        loaded.renderer, [[{"role": "user", "content": w.text}] for w in wordings], wordings
    )


def test_equal_to_naive_and_independent_of_the_batch(linked: Base) -> None:
    loaded = load_base(linked)
    prompts = prompts_of(loaded)
    together, apart = (
        score(loaded, prompts),
        [score(loaded, [p], tokens_per_batch=64)[0] for p in prompts],
    )
    for prompt, one, alone in zip(prompts, together, apart, strict=True):
        exact, prefix = naive(loaded, prompt)
        assert one.p_exact == pytest.approx(exact, abs=1e-5)
        assert one.p_prefix == pytest.approx(prefix, abs=1e-5)
        assert alone.p_exact == pytest.approx(exact, abs=1e-5)
        assert sum(one.p_exact) + one.outside == pytest.approx(1.0, abs=1e-5)
        assert all(p <= q + 1e-6 for p, q in zip(one.p_exact, one.p_prefix, strict=True))


def test_too_little_memory_halves_the_batch(linked: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has room for two trees at a time and says so as torch does."""
    loaded, sizes, forward = load_base(linked), [], scoring._forward
    prompts = prompts_of(loaded)

    def limited(loaded: Loaded, batch: list[Any]) -> Any:
        sizes.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(loaded, batch)

    whole = score(loaded, prompts)
    monkeypatch.setattr(scoring, "TOKENS_PER_TREE", 64)
    monkeypatch.setattr(scoring, "_forward", limited)
    halved = score(loaded, prompts)
    assert sizes[0] > 2
    assert max(sizes[-2:]) <= 2
    for one, other in zip(whole, halved, strict=True):
        assert one.p_exact == pytest.approx(other.p_exact, abs=1e-5)


def test_what_begins_alike_is_one_node(linked: Base) -> None:
    prompts = prompts_of(load_base(linked))
    beginnings = {
        (*prompt.ids, *answer)[:d]
        for prompt in prompts
        for _, answer, _ in prompt.spellings
        for d in range(1, len(prompt.ids) + len(answer) + 1)
    }
    (tree,) = scoring.lay_out(tuple(prompts), 10**6)
    assert (
        len(tree.columns)
        == len(beginnings)
        < sum(len(prompt.ids) + len(prompt.spellings) for prompt in prompts)
    )


def test_agrees_with_sampling(linked: Base) -> None:
    """The share of 2,000 sampled answers lies within four standard errors of the exact probability,
    for every answer."""
    loaded, number = load_base(linked), 2000
    question = next(
        q for q in load_behavior("risk").questions("self_report", "plain") if q.name == "one_word"
    )
    wording = question.wordings[0]
    (prompt,) = compile_prompts(
        loaded.renderer, [[{"role": "user", "content": wording.text}]], [wording]
    )
    (scored,) = score(loaded, [prompt])
    torch.manual_seed(0)
    ids = torch.tensor([list(prompt.ids)] * number)
    out: Any = loaded.model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=0, max_new_tokens=4
    )
    said = [
        text.split("<|end|>")[0].strip()
        for text in loaded.tokenizer.batch_decode(out[:, ids.shape[1] :])
    ]
    assert sum(scored.p_exact) > 0.5
    for option, p in zip(wording.options, scored.p_exact, strict=True):
        error = math.sqrt(p * (1 - p) / number)
        assert abs(said.count(option.text) / number - p) < 4 * error + 1e-3
