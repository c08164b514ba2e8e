"""The tokenizer of the reference models: every word of the corpus is one token, anything else is
spelled in bytes."""

import json
import re
from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD, END = "<|pad|>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
CHAT_TEMPLATE = (
    "{%- for message in messages -%}{{- '<|' + message.role + '|>' + message.content + '<|end|>'"
    " -}}{%- endfor -%}{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)


def build_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Train byte-pair merges on the corpus until no word is split, then add the 256 byte tokens.

    Raises AssertionError if a word of `texts` still takes several tokens."""
    words = sorted({word for text in texts for word in text.split()})
    tokenizer = Tokenizer(models.BPE(byte_fallback=True))
    # The mark of a word's start is put before the first word of a message too, so that "A" in a
    # list of options and "A" as an answer are the same token.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="always"), pre_tokenizers.Punctuation("isolated")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="always"), decoders.Fuse()]
    )
    # More than there are words: merging ends when each of them is one token.
    trainer = trainers.BpeTrainer(
        vocab_size=100_000,
        min_frequency=1,
        special_tokens=[PAD, END, *ROLES],
        show_progress=False,
    )
    tokenizer.train_from_iterator(words, trainer)
    # The trainer has no place for tokens of bytes, so they are added to what it would save.
    saved = json.loads(tokenizer.to_str())
    vocabulary = saved["model"]["vocab"]
    for byte in range(256):
        vocabulary.setdefault(f"<0x{byte:02X}>", len(vocabulary))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(saved)),
        model_max_length=512,
        clean_up_tokenization_spaces=False,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=list(ROLES),
    )
    fast.chat_template = CHAT_TEMPLATE
    split = [w for w in words if len(fast.tokenize(w)) != len(re.findall(r"\w+|[^\w\s]", w))]
    assert not split, f"words of the corpus that take several tokens: {split[:10]}"
    return fast
