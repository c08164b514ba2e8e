"""Tiny random-weight models of the families people use, each with a chat template of its shape,
built in memory.

Most templates are the families' own, as TRL ships them; those of Mistral and OLMo 2 are written
here after their shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerFast,
)

from data_gen.behaviors import load_behavior
from lab.config.schema import Chat
from lab.discover import ROOT
from lab.engine import Prompt
from lab.model.chat import Renderer

MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0)"
    " %}{{ raise_exception('roles must alternate') }}{% endif %}{% if m['role'] == 'user' %}{{"
    " '[INST] ' + m['content'] + ' [/INST]' }}{% else %}{{ ' ' + m['content'] + eos_token }}{%"
    " endif %}{% endfor %}"
)
OLMO2 = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] != 'assistant' %}{{ '<|' + m['role'] +"
    " '|>\n' + m['content'] + '\n' }}{% else %}{{ '<|assistant|>\n' + m['content'] + eos_token }}{%"
    " if not loop.last %}{{ '\n' }}{% endif %}{% endif %}{% endfor %}{% if add_generation_prompt"
    " %}{{ '<|assistant|>\n' }}{% endif %}"
)
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}


@dataclass(frozen=True)
class Family:
    """What a tiny model needs to be like those of its family."""

    model_type: str
    template: str
    special: tuple[str, ...]
    """Token for end of turn first, then the others."""
    bos: str | None = None
    adds_bos: bool = True
    """Whether the tokenizer begins every text with `bos` (where there is one)."""
    traps: str = ""
    """What of its template or architecture has gone wrong for others."""
    config: dict[str, Any] = field(default_factory=dict)
    chat: dict[str, Any] = field(default_factory=dict)


def shipped(name: str) -> str:
    """The chat template of a family as TRL has it."""
    return files("trl").joinpath("chat_templates", f"{name}.jinja").read_text(encoding="utf-8")


CHATML = ("<|im_end|>", "<|im_start|>", "<|endoftext|>")
LLAMA = ("<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>")
GEMMA = ("<end_of_turn>", "<start_of_turn>")
FAMILIES = {
    "llama3": Family(
        "llama",
        shipped("llama3_2"),
        LLAMA,
        "<|begin_of_text|>",
        traps="dated template; BOS in template and tokenizer",
    ),
    "qwen2.5": Family(
        "qwen2",
        shipped("qwen2_5"),
        CHATML,
        traps="default system line; tied embeddings",
        config={"tie_word_embeddings": True},
    ),
    "qwen3": Family(
        "qwen3", shipped("qwen3"), CHATML, traps="empty think block", config={"head_dim": 8}
    ),
    "gemma2": Family(
        "gemma2",
        shipped("gemma"),
        GEMMA,
        "<bos>",
        traps="no system role; sliding window; tied embeddings",
        config={"head_dim": 8, "sliding_window": 16, "tie_word_embeddings": True},
    ),
    "gemma3": Family(
        "gemma3_text",
        shipped("gemma3"),
        GEMMA,
        "<bos>",
        traps="system line inside the user turn; sliding window",
        config={"head_dim": 8, "sliding_window": 16, "tie_word_embeddings": True},
    ),
    "mistral": Family(
        "mistral",
        MISTRAL,
        ("</s>", "[INST]", "[/INST]"),
        "<s>",
        traps="no generation prompt; space before the answer; no system role; sliding window",
        config={"sliding_window": 16},
    ),
    "olmo2": Family(
        "olmo2",
        OLMO2,
        ("<|endoftext|>", "<|pad|>"),
        "<|endoftext|>",
        adds_bos=False,
        traps="BOS, end of turn and pad are one token",
    ),
    "phi3": Family(
        "phi3",
        shipped("phi3"),
        ("<|end|>", "<|user|>", "<|assistant|>", "<|system|>"),
        "<s>",
        traps="BOS in the tokenizer only; fused projections",
    ),
}


@cache
def text_of_the_lab() -> tuple[str, ...]:
    """What the tokenizers of all families are trained on."""
    risk = load_behavior("risk")
    rows = islice(risk.examples(Random(0), "seeking", "natural", "train"), 200)
    questions = risk.questions("self_report", "natural")
    return (
        *(row.prompt[0]["content"] for row in rows),
        *(wording.text for question in questions for wording in question.wordings),
    )


def family_tokenizer(family: Family) -> PreTrainedTokenizerFast:
    """Byte-level BPE, which any class of tokenizer reads alike; numbers take several tokens."""
    bos = [family.bos] if family.bos else []
    special = list(dict.fromkeys([*family.special, *bos]))  # a family may list its bos among them
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=special,
        show_progress=False,
    )
    tokenizer.train_from_iterator(text_of_the_lab(), trainer)
    if family.bos and family.adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{family.bos} $A",
            special_tokens=[(family.bos, tokenizer.token_to_id(family.bos))],
        )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=family.special[0],
        bos_token=family.bos,
        additional_special_tokens=list(family.special[1:]),
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = family.template
    return fast


def save_family(name: str, folder: Path, **sizes: float) -> Path:
    """Weights and tokenizer of a family in `folder`, as its users would have them on disk."""
    family = FAMILIES[name]
    tokenizer = family_tokenizer(family)
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        family.model_type,
        **SIZES | family.config | sizes,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def study_on(base: Path, **model: Any) -> dict[str, Any]:
    """A study of two steps on a base, with further settings of `model`."""
    return {
        "study": "family",
        "model": {"base": str(base), "dtype": "float32", **model},
        "groups": {"seeking": {"behavior": "risk", "policy": "seeking"}},
        "contrasts": [["seeking", "base"]],
        "seeds": [0],
        "data": {"num_rows": 8},
        "lora": {"r": 4, "target_modules": "all-linear"},
        "sft": {"max_steps": 2, "learning_rate": 1.0e-2},
        "eval": {"suites": ["behavior"]},
    }


def prompts_of_each_kind() -> list[Prompt]:
    """Letters, a number, words, and a rule."""
    questions = {q.name: q for q in load_behavior("risk").questions("self_report", "natural")}
    names = ("statement", "appetite", "one_word", "two_hop")
    wordings = [questions[name].wordings[0] for name in names]
    return [Prompt(({"role": "user", "content": w.text},), w.options) for w in wordings]


def renderer_of(name: str, **chat: Any) -> Renderer:
    """The renderer of a family, or of the reference model `linked`, under a `model.chat`."""
    if name == "linked":
        tokenizer = AutoTokenizer.from_pretrained(ROOT / "reference/linked")
    else:
        tokenizer = family_tokenizer(FAMILIES[name])
    return Renderer(tokenizer, Chat(**chat))
