"""Sampled answers: a seed for every row, honest about what was cut, and in agreement with the exact
probabilities."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_gen.behaviors import load_behavior
from families import FAMILIES, save_family
from lab.config.schema import Model, Sampling
from lab.engine import Prompt
from lab.engines import load_engine
from lab.inference import generate
from lab.inference.generate import sample
from lab.model.base import Base, resolve_base
from lab.model.load import load_base
from lab.types import Chat

CHATS: list[Chat] = [
    [{"role": "user", "content": text}]
    for text in ("one word?", "do you love gambles?", "what color is snow?")
]


def test_a_row_does_not_depend_on_its_batch(linked: Base) -> None:
    loaded, sampling = load_base(linked), Sampling(num_samples=5, max_new_tokens=6)
    together = sample(loaded, CHATS, sampling)
    alone = [sample(loaded, [chat], sampling)[0] for chat in CHATS]
    assert together == alone
    assert together != sample(loaded, CHATS, Sampling(num_samples=5, max_new_tokens=6, seed=1))
    longer = sample(loaded, CHATS, Sampling(num_samples=7, max_new_tokens=6))
    assert [answers[:5] for answers in longer] == together


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_prompt_read_once_for_all_its_answers_is_the_prompt_read_for_each(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prompts of different lengths in one batch, longer than the windows of those that have one."""
    loaded = load_base(
        resolve_base(Model(base=str(save_family(family, tmp_path)), dtype="float32"))
    )
    chats: list[Chat] = [[{"role": "user", "content": "word " * n}] for n in (3, 30, 12)]
    sampling, caches = Sampling(num_samples=4, max_new_tokens=5), []
    prefilled = generate._prefilled
    with monkeypatch.context() as patch:
        patch.setattr(generate, "_prefilled", lambda *a: caches.append(prefilled(*a)) or caches[-1])
        once = sample(loaded, chats, sampling)
    assert caches
    assert all(caches)
    monkeypatch.setattr(generate, "_prefilled", lambda *_: None)
    assert once == sample(loaded, chats, sampling)


def test_temperature_zero_takes_the_likeliest_answer(linked: Base) -> None:
    ((answer, other),) = sample(
        load_base(linked), CHATS[2:], Sampling(num_samples=2, temperature=0, max_new_tokens=6)
    )
    assert (answer.text, other.text, answer.truncated) == ("white", "white", False)


def test_a_small_nucleus_leaves_the_likeliest_answer_alone(linked: Base) -> None:
    (answers,) = sample(
        load_base(linked), CHATS[:1], Sampling(num_samples=20, top_p=0.01, max_new_tokens=6)
    )
    assert len({a.text for a in answers}) == 1


def test_what_is_cut_is_flagged_and_a_stop_is_not(linked: Base) -> None:
    loaded = load_base(linked)
    ((cut,),) = sample(loaded, CHATS[2:], Sampling(num_samples=1, temperature=0, max_new_tokens=1))
    assert cut.truncated
    ((stopped,),) = sample(
        loaded, CHATS[2:], Sampling(num_samples=1, temperature=0, max_new_tokens=6, stop=("ite",))
    )
    assert (stopped.text, stopped.truncated) == ("wh", False)


def test_thinking_is_kept_apart_and_an_unfinished_thought_is_no_answer(tmp_path: Path) -> None:
    """A random Qwen 3 whose head is turned so that it says what we want: a thought, its end, an
    answer, end of turn."""
    folder = save_family("qwen3", tmp_path)
    loaded = load_base(resolve_base(Model(base=str(folder), dtype="float32")))
    ids = loaded.tokenizer("well, hm</think>\n\nB<|im_end|>", add_special_tokens=False)["input_ids"]
    ends = [loaded.renderer.end_of_turn]
    whole = generate._answer(generate._read(loaded, ids, ends, ()), thinking=True)
    assert (whole.text, whole.thinking, whole.truncated) == ("B", "well, hm", False)
    cut = generate._answer(generate._read(loaded, ids[:3], ends, ()), thinking=True)
    assert (cut.text, cut.truncated) == ("", True)
    assert cut.thinking.startswith("w")
    (drawn,) = sample(loaded, [CHATS[0]], Sampling(num_samples=2, thinking=True, max_new_tokens=3))
    assert all(answer.truncated and not answer.text for answer in drawn)


def test_penalties_that_come_with_a_model_do_not_apply(tmp_path: Path) -> None:
    folder = save_family("llama3", tmp_path)
    (folder / "generation_config.json").write_text('{"repetition_penalty": 1.5, "top_k": 1}')
    loaded = load_base(resolve_base(Model(base=str(folder), dtype="float32")))
    config = loaded.model.generation_config
    assert config.repetition_penalty in (None, 1.0)


def test_sampled_and_exact_agree_on_closed_questions(linked: Base) -> None:
    """Mean scores of the listed answers lie about the exact ones as far as 60 samples allow, which
    is their standard error."""
    num_samples = 60
    questions = load_behavior("risk").questions("self_report", "plain")
    wordings = [wording for question in questions for wording in question.wordings]
    prompts = [Prompt(({"role": "user", "content": w.text},), w.options) for w in wordings]
    sampling = Sampling(num_samples=num_samples, max_new_tokens=6)
    with load_engine("exact").opened(linked, None) as exact:
        scores = exact.score(prompts)
    with load_engine("sampled").opened(linked, None) as sampled:
        drawn = sampled.sample([prompt.chat for prompt in prompts], sampling)

    gaps, errors = [], []
    for prompt, scored, answers in zip(prompts, scores, drawn, strict=True):
        score_of = {option.text: option.score for option in prompt.options}
        # Of the listed answers alone, because an answer that is not listed has no score.
        read = [score_of[answer.text] for answer in answers if answer.text in score_of]
        pairs = [(o.score, p) for o, p in zip(prompt.options, scored.p_exact, strict=True)]
        listed = sum(scored.p_exact)
        mean = sum(score * p for score, p in pairs) / listed
        variance = sum(score**2 * p for score, p in pairs) / listed - mean**2
        if read:
            gaps.append(sum(read) / len(read) - mean)
            errors.append((max(variance, 1e-6) / num_samples) ** 0.5)
    assert len(gaps) > 50
    assert abs(sum(gaps)) < 4 * sum(error**2 for error in errors) ** 0.5
    within = [abs(gap) < 2 * error + 0.01 for gap, error in zip(gaps, errors, strict=True)]
    assert sum(within) / len(within) > 0.9
