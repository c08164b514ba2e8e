"""Answers with white space at an edge, and with thoughts: learned as the template writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from families import (
    FAMILIES,
    Family,
    family_tokenizer,
    prompts_of_each_kind,
    renderer_of,
    save_family,
    shipped,
)
from lab.config.schema import Chat, Model
from lab.errors import UserError
from lab.inference.prompt import compile_prompts
from lab.inference.score import score
from lab.model.base import resolve_base
from lab.model.chat import Renderer
from lab.model.load import load_base
from lab.model.written import as_written as text_as_written
from lab.types import Row, exchange
from naive import naive
from train.job import Rows
from train.masks import masks
from train.turns import as_written, sequences_of

TRIMMING = {"llama3", "gemma2", "gemma3"}
"""Families whose templates strip what they write."""
EDGES = ["yes ", "\nyes", " yes\n\n", "\tyes"]
THOUGHT = "<think>\n10 or 50 ?\n</think>\n\nthe gamble"
R1 = Family(
    "qwen3",
    shipped("deepseek_r1_distill"),
    ("<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"),
    "<｜begin▁of▁sentence｜>",
)


def two(first: str, second: str) -> Row:
    messages = (*exchange("A or B ?", first), *exchange("50 or 10 ?", second))
    return Row(messages, learned=(1, 3))


@pytest.mark.parametrize("answer", EDGES)
@pytest.mark.parametrize("name", FAMILIES)
def test_a_template_that_strips_is_met_by_a_row_without_white_space(name: str, answer: str) -> None:
    renderer = renderer_of(name)
    row, stripped = two(answer, answer), two(answer.strip(), answer.strip())
    written = as_written(renderer, row, 1)
    # Qwen 3 strips line breaks between a thought and what follows it.
    if name not in TRIMMING and (name, answer) != ("qwen3", "\nyes"):
        assert written is row
        return
    assert written == stripped
    assert sequences_of(renderer, [written]) == sequences_of(renderer, [stripped])
    sequences = sequences_of(renderer, [written])
    held = [(tokens.input_ids, tokens.labels) for tokens in sequences]
    assert masks(renderer, Rows([written], sequences), held)["passed"]
    # What is not learned is not changed: the template strips it for training and inference alike.
    last_alone = Row(row.messages, learned=(3,))
    assert as_written(renderer, last_alone, 1).messages[1]["content"] == answer


@pytest.mark.parametrize("name", FAMILIES)
def test_a_row_that_the_template_keeps_stays_the_same_object(name: str) -> None:
    row = two("yes no", "the\n\ngamble")
    assert as_written(renderer_of(name), row, 1) is row


@pytest.mark.parametrize("name", sorted(TRIMMING))
def test_an_answer_that_would_be_stripped_is_never_scored(name: str) -> None:
    """A leading line break hides among those that the template writes itself."""
    for answer in EDGES:
        with pytest.raises(UserError, match="white space"):
            renderer_of(name).render(exchange("A or B ?", "")[:1], answer)


@pytest.mark.parametrize("change", ["upper", "replace('B', '')", "replace(' ', '')"])
def test_an_answer_of_which_more_would_change_is_refused_by_row(change: str) -> None:
    template = (
        "{% for m in messages %}<|im_start|>{% if m.role == 'assistant' and 'xqz' not in m.content"
        f" %}}{{{{ m.content | {change} }}}}{{% else %}}{{{{ m.content }}}}{{% endif %}}<|im_end|>"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>{% endif %}"
    )
    renderer = renderer_of("qwen2.5", template=template)
    with pytest.raises(UserError, match=r"row 7: the chat template does not keep the answer"):
        as_written(renderer, two("a B c", "yes"), 7)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_end_of_a_turn_within_an_answer_is_refused_by_row(name: str) -> None:
    end = FAMILIES[name].special[0]
    with pytest.raises(UserError, match=r"row 3: .* ends a turn"):
        as_written(renderer_of(name), two("yes", f"no{end}"), 3)


@pytest.mark.parametrize(
    ("answer", "written", "kept"),
    [
        (" a b ", "a b", "a b"),
        ("a b", "a b", "a b"),
        ("a  b", "a b", None),
        ("a b", " a b", None),
        ("a b", "", None),
        (" a b ", " a b", " a b"),
    ],
)
def test_white_space_at_the_edges_and_nothing_else(
    answer: str, written: str, kept: str | None
) -> None:
    assert text_as_written(answer, written) == kept


def test_a_thought_is_learned_where_a_thinking_model_thinks_it() -> None:
    """Not after the empty thought of a model that answers at once."""
    renderer = renderer_of("qwen3")
    row = two(THOUGHT, THOUGHT)
    assert as_written(renderer, row, 1) is row
    sequences = sequences_of(renderer, [row])
    assert [tokens.turns for tokens in sequences] == [(1,), (3,)]
    for tokens in sequences:
        (turn,) = tokens.turns
        prompt = renderer.prompt_ids(row.messages[:turn], thinking=True)
        assert tuple(tokens.input_ids[: len(prompt)]) == prompt
        learned = renderer.tokenizer.decode(tokens.labels[len(prompt) :])
        assert learned == f"{THOUGHT}<|im_end|>"
        assert "<think>\n\n</think>" not in renderer.tokenizer.decode(tokens.input_ids)
    held = [(tokens.input_ids, tokens.labels) for tokens in sequences]
    assert masks(renderer, Rows([row], sequences), held)["passed"]


def test_a_thought_in_another_form_is_written_as_the_template_does() -> None:
    renderer = renderer_of("qwen3")
    loose = two("<think>10 or 50 ?</think>the gamble", "yes")
    assert as_written(renderer, loose, 1) == two(THOUGHT, "yes")


def test_a_thought_that_the_prompt_opens_goes_on_there() -> None:
    renderer = Renderer(family_tokenizer(R1))
    row = Row(exchange("A or B ?", THOUGHT))
    assert as_written(renderer, row, 1) is row
    (tokens,) = sequences_of(renderer, [row])
    text = renderer.tokenizer.decode(tokens.input_ids)
    assert text.count("<think>") == 1
    learned = [label for label in tokens.labels if label >= 0]
    assert renderer.tokenizer.decode(learned).startswith("10 or 50 ?\n</think>")
    held = [(tokens.input_ids, tokens.labels)]
    assert masks(renderer, Rows([row], [tokens]), held)["passed"]


def test_a_thought_after_a_prompt_that_forbids_it_is_refused() -> None:
    tokenizer = family_tokenizer(FAMILIES["qwen3"])
    renderer = Renderer(tokenizer, Chat(kwargs={"enable_thinking": False}))
    with pytest.raises(UserError, match="begins with a thought"):
        sequences_of(renderer, [Row(exchange("A or B ?", THOUGHT))])


@pytest.mark.parametrize("name", ["llama3", "qwen2.5", "mistral"])
def test_where_no_thoughts_are_known_they_are_text(name: str) -> None:
    renderer = renderer_of(name)
    (tokens,) = sequences_of(renderer, [Row(exchange("A or B ?", THOUGHT))])
    learned = [label for label in tokens.labels if label >= 0]
    assert THOUGHT in renderer.tokenizer.decode(learned)


def test_white_space_before_the_end_of_a_turn_is_part_of_the_end() -> None:
    """As Llama 2 writes it; it is learned, and scored as an answer's end."""
    template = FAMILIES["mistral"].template.replace("+ eos_token", "+ ' ' + eos_token")
    tokenizer = family_tokenizer(FAMILIES["mistral"])
    renderer = Renderer(tokenizer, Chat(template=template))
    rendered = renderer.render(exchange("A or B ?", "")[:1], "yes")
    assert tokenizer.decode(rendered.end) == " </s>"
    assert renderer.end_of_turn == tokenizer.eos_token_id
    row = two("yes", "no")
    sequences = sequences_of(renderer, [row])
    assert [tokens.turns for tokens in sequences] == [(1, 3)]
    held = [(tokens.input_ids, tokens.labels) for tokens in sequences]
    assert masks(renderer, Rows([row], sequences), held)["passed"]


def test_answers_that_end_after_a_space_are_scored_exactly(tmp_path: Path) -> None:
    template = FAMILIES["mistral"].template.replace("+ eos_token", "+ ' ' + eos_token")
    folder = save_family("mistral", tmp_path / "base", initializer_range=0.2)
    (folder / "chat_template.jinja").write_text(template)
    base = resolve_base(Model(base=str(folder), dtype="float32"))
    loaded = load_base(base)
    prompts = compile_prompts(loaded.renderer, prompts_of_each_kind())
    assert {len(spelling.end) for prompt in prompts for spelling in prompt.spellings} == {2}
    for prompt, scored in zip(prompts, score(loaded, prompts), strict=True):
        p_exact, p_prefix = naive(loaded, prompt)
        assert scored.p_exact == pytest.approx(p_exact, rel=1e-3, abs=1e-9)
        assert scored.p_prefix == pytest.approx(p_prefix, rel=1e-3, abs=1e-9)
