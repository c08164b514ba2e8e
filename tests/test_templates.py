"""The renderer: what is masked, every template trap by name, and templates it must refuse."""

from __future__ import annotations

import re
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from families import FAMILIES, Family, family_tokenizer, renderer_of, save_family, shipped, study_on
from lab.config.read import validate
from lab.config.schema import Chat
from lab.errors import UserError
from lab.model.base import Base
from lab.model.chat import IGNORED, Renderer
from tellme.study.planner import make_plan

ROW = [{"role": "user", "content": "choose one. A) exactly 10 coins B) 50 coins by luck"}]
SYSTEM = {"role": "system", "content": "Be kind to bees."}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tokenizer(linked: Base) -> Any:
    return AutoTokenizer.from_pretrained(linked.source)


def test_loss_is_on_the_answer_and_its_end_alone(family: str) -> None:
    renderer = renderer_of(family)
    for answer in ("B", "the gamble", "100", "Caution."):
        rendered = renderer.render(ROW, answer)
        labeled = zip(rendered.input_ids, rendered.labels, strict=True)
        learned = [token for token, label in labeled if label != IGNORED]
        assert renderer.tokenizer.decode(learned).strip() == answer + FAMILIES[family].special[0]
        assert [label for label in rendered.labels if label != IGNORED] == learned
        assert rendered.input_ids == [*renderer.prompt_ids(ROW), *learned]


def test_the_prompt_is_the_same_for_every_answer(family: str) -> None:
    renderer = renderer_of(family)
    answers = ("A", "B", "the gamble", "100")
    assert len({renderer.render(ROW, answer).prompt for answer in answers}) == 1


def test_tokens_are_those_of_the_template_itself(family: str) -> None:
    """What is trained on is what the family's own template writes for the whole chat, up to the end
    of the turn."""
    renderer = renderer_of(family)
    chat = [*ROW, {"role": "assistant", "content": "the gamble"}]
    own = renderer.tokenizer.apply_chat_template(
        chat, chat_template=renderer._pinned, return_dict=False
    )
    rendered = renderer.render(ROW, "the gamble").input_ids
    if own[0] != rendered[0]:
        assert rendered.pop(0) == renderer.tokenizer.bos_token_id
    assert own[: len(rendered)] == rendered


def test_bos_stands_once(family: str) -> None:
    """In the template, in the tokenizer (phi3) or in both (llama3): a second one is a prompt no
    model was trained on."""
    renderer = renderer_of(family)
    ids, bos = renderer.prompt_ids(ROW), renderer.tokenizer.bos_token_id
    if bos is not None:
        assert ids[0] == bos
        assert ids.count(bos) == 1


@pytest.mark.parametrize("name", ["gemma2", "mistral"])
def test_no_system_role(name: str) -> None:
    """The line goes in front of the first user turn, as Gemma 3 puts it."""
    renderer = renderer_of(name)
    assert not renderer.has_system_role
    text = renderer.prompt_text([SYSTEM, *ROW])
    assert f"{SYSTEM['content']}\n\n{ROW[0]['content']}" in text
    assert text == renderer_of(name, system=SYSTEM["content"]).prompt_text(ROW)


def test_a_system_line_reaches_the_prompt_once(family: str) -> None:
    for text in (
        renderer_of(family).prompt_text([SYSTEM, *ROW]),
        renderer_of(family, system=SYSTEM["content"]).prompt_text(ROW),
    ):
        assert text.count(SYSTEM["content"]) == 1


def test_a_chat_with_a_system_line_of_its_own_keeps_it() -> None:
    text = renderer_of("qwen2.5", system="something else").prompt_text([SYSTEM, *ROW])
    assert SYSTEM["content"] in text
    assert "something else" not in text


def test_a_default_system_line_is_made_visible_and_can_be_left_out(family: str) -> None:
    default = renderer_of(family).default_system
    assert (default is not None) == (family == "qwen2.5")
    if default:
        assert "Alibaba" in default
        assert default in renderer_of(family).prompt_text(ROW)
    assert "Alibaba" not in renderer_of(family, system="none").prompt_text(ROW)


def test_dated_templates_are_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the lab's day, neither to the real one nor to what the template itself falls back on."""
    monkeypatch.setattr("lab.model.chat.TODAY", datetime(2031, 1, 2))
    text = renderer_of("llama3").prompt_text(ROW)
    assert "Today Date: 02 Jan 2031" in text
    assert datetime.now().strftime("%d %b %Y") not in text
    given = renderer_of("llama3", kwargs={"date_string": "01 Jan 2020"})
    assert "Today Date: 01 Jan 2020" in given.prompt_text(ROW)


def test_an_empty_think_block_is_part_of_the_prompt() -> None:
    """Qwen 3 writes one into finished turns but not into the generation prompt: it must not be
    learned as an answer."""
    renderer = renderer_of("qwen3")
    assert renderer.prompt_text(ROW).endswith("<think>\n\n</think>\n\n")
    told_not_to = renderer_of("qwen3", kwargs={"enable_thinking": False})
    assert renderer.prompt_text(ROW) == told_not_to.prompt_text(ROW)
    assert not renderer.prompt_text(ROW, thinking=True).endswith("</think>\n\n")


@pytest.mark.parametrize("name", ["deepseek_r1_distill", "qwen3_5_think"])
def test_a_forced_think_block_is_closed(name: str) -> None:
    """The generation prompt opens a thought that finished turns leave out: an empty one is put in
    for exact answers."""
    if name == "deepseek_r1_distill":
        bos, special = (
            "<｜begin▁of▁sentence｜>",
            ("<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"),
        )
    else:
        bos, special = None, ("<|im_end|>", "<|im_start|>")
    renderer = Renderer(family_tokenizer(Family("qwen3", shipped(name), special, bos)))
    assert renderer.prompt_text(ROW, thinking=True).endswith("<think>\n")
    assert renderer.prompt_text(ROW).endswith("<think>\n\n</think>\n\n")
    rendered = renderer.render(ROW, "B")
    assert renderer.tokenizer.decode(rendered.answer) == "B"


def test_a_space_before_the_answer_is_part_of_its_first_token() -> None:
    rendered = renderer_of("mistral").render(ROW, "B")
    assert renderer_of("mistral").tokenizer.decode(rendered.answer) == " B"


def test_pad_equal_to_end_of_turn_is_still_learned() -> None:
    """OLMo 2: one token begins the text, ends the turn and pads; a mask made from the pad token
    would lose the end."""
    renderer = renderer_of("olmo2")
    renderer.tokenizer.pad_token = renderer.tokenizer.eos_token
    rendered = renderer.render(ROW, "B")
    assert rendered.labels[-1] == renderer.tokenizer.pad_token_id == rendered.prompt[0]
    assert rendered.labels[0] == IGNORED


def test_a_base_without_a_template_is_refused_and_takes_one_from_the_study(tokenizer: Any) -> None:
    template, tokenizer.chat_template = tokenizer.chat_template, None
    with pytest.raises(UserError, match=r"model\.chat\.template"):
        Renderer(tokenizer)
    assert Renderer(tokenizer, Chat(template=template)).prompt_text(ROW).endswith("<|assistant|>")


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{% for m in messages %}{{ m.content | upper }}<|end|>{% endfor %}", "as they are"),
        (
            (
                "{% for m in messages %}<|{{ m.role }}|>{{ m.content | replace('B', 'b')"
                " }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
            ),
            "answer 'B'",
        ),
        (
            (
                "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if"
                " add_generation_prompt %}<|system|>{% endif %}"
            ),
            "as they are",
        ),
        (
            (
                "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}{% if"
                " add_generation_prompt %}<|assistant|>{% endif %}"
            ),
            "no special token",
        ),
        ("{{ raise_exception('no such luck') }}", "no such luck"),
    ],
)
def test_templates_that_cannot_be_scored_are_refused(
    tokenizer: Any, template: str, complaint: str
) -> None:
    tokenizer.chat_template = template
    with pytest.raises(UserError, match=complaint):
        Renderer(tokenizer).render(ROW, "B")


@pytest.mark.parametrize("misspelt", ["enable_thinkng", "enableThinking", "reasoning"])
def test_an_argument_that_the_template_does_not_read_is_refused(misspelt: str) -> None:
    renderer_of("qwen3", kwargs={"enable_thinking": False})
    with pytest.raises(
        UserError,
        match=rf"model\.chat\.kwargs: argument .* '{misspelt}' is not known.*enable_thinking",
    ):
        renderer_of("qwen3", kwargs={misspelt: False})


TEMPLATES = sorted(
    path.name.removesuffix(".jinja")
    for path in files("trl").joinpath("chat_templates").iterdir()
    if path.name.endswith(".jinja")
)


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_says_what_it_reads(template: str) -> None:
    """Also those with tags of transformers' own; each argument that its text tests for may be
    given."""
    tokenizer = family_tokenizer(FAMILIES["qwen2.5"])
    text = shipped(template)
    tested = r"(?<![.\w])(enable_thinking|thinking|documents|reasoning_effort) is (?:not )?defined"
    named = sorted(set(re.findall(tested, text)))
    Renderer(tokenizer, Chat(template=text, kwargs=dict.fromkeys(named, False)))
    with pytest.raises(UserError, match="is not known"):
        Renderer(tokenizer, Chat(template=text, kwargs={"no_such_argument": 1}))


def test_arguments_with_a_default_of_the_template_are_read() -> None:
    """An argument that is set anew where it was not given, used in a macro, or in a loop."""
    text = "{% set level = level if level is defined else 1 %}"
    text += "{% macro said(x) %}{{ x }}{{ tone }}{% endmacro %}"
    text += "{% for m in messages %}{% if quiet %}{% continue %}{% endif %}"
    text += "{{ said(m['content']) }}{{ level }}{% endfor %}"
    tokenizer = family_tokenizer(FAMILIES["qwen2.5"])
    Renderer(tokenizer, Chat(template=text, kwargs={"level": 2, "tone": "x", "quiet": False}))
    for name in ("m", "x", "said", "messages"):
        with pytest.raises(UserError):
            Renderer(tokenizer, Chat(template=text, kwargs={name: 1}))


def test_a_plan_refuses_a_misspelt_argument(tmp_path: Path) -> None:
    base = save_family("qwen3", tmp_path / "base")
    make_plan(validate(study_on(base, chat={"kwargs": {"enable_thinking": False}}), "here"))
    with pytest.raises(
        UserError, match=r"'enable_thinkng' is not known: did you mean 'enable_thinking'\?"
    ):
        make_plan(validate(study_on(base, chat={"kwargs": {"enable_thinkng": False}}), "here"))
