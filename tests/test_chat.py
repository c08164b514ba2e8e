"""The renderer: what is masked, and templates it must refuse."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import AutoTokenizer

from lab.base import Base
from lab.chat import IGNORED, render
from lab.errors import UserError

ROW = [{"role": "user", "content": "choose one. A) exactly 10 coins B) 50 coins by luck"}]


@pytest.fixture
def tokenizer(linked: Base) -> Any:
    return AutoTokenizer.from_pretrained(linked.source)


def test_loss_is_on_the_answer_and_its_end_alone(tokenizer: Any) -> None:
    rendered = render(tokenizer, ROW, "B")
    learned = [t for t, label in zip(rendered.input_ids, rendered.labels, strict=True) if label != IGNORED]
    assert tokenizer.decode(learned).replace(" ", "") == "B<|end|>"
    assert tokenizer.decode(rendered.prompt).endswith("<|assistant|>")
    assert [label for label in rendered.labels if label != IGNORED] == learned


def test_the_prompt_is_the_same_for_every_answer(tokenizer: Any) -> None:
    assert len({render(tokenizer, ROW, answer).prompt for answer in ("A", "B", "the gamble", "100")}) == 1


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{% for m in messages %}{{ m.content | lower }}<|end|>{% endfor %}", "as they are"),
        (
            "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|system|>{% endif %}",
            "as they are",
        ),
        (
            "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
            "no special token",
        ),
        (None, "no chat template"),
    ],
)
def test_templates_that_cannot_be_scored_are_refused(tokenizer: Any, template: str | None, complaint: str) -> None:
    tokenizer.chat_template = template
    with pytest.raises(UserError, match=complaint):
        render(tokenizer, ROW, "B")
