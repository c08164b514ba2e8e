"""A saved Llama model as a GGUF file, written as llama.cpp's own script writes it."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import load_file

Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def write_gguf(
    folder: Path, out: Path, leave_out: str = "nothing", scaled: bool = False, more: str = ""
) -> Path:
    """Write the model of a folder into a file, in float32, but for tensors with `leave_out` in
    their name. `scaled` says that its rotary embeddings are stretched; `more` is a tensor
    besides."""
    config = json.loads((folder / "config.json").read_text())
    layers, heads = config["num_hidden_layers"], config["num_attention_heads"]
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_block_count(layers)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    if scaled:
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    _add_tokenizer(writer, folder)
    if more:
        writer.add_tensor(more, np.ones(8, np.float32))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, layers)
    for name, weights in load_file(folder / "model.safetensors").items():
        if leave_out in name:
            continue
        if "q_proj" in name:
            weights = _interleaved(weights, heads)
        if "k_proj" in name:
            weights = _interleaved(weights, config["num_key_value_heads"])
        known = names.get_name(name, try_suffixes=(".weight",))
        assert known, name
        writer.add_tensor(known, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def _add_tokenizer(writer: gguf.GGUFWriter, folder: Path) -> None:
    saved = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = saved["model"]["vocab"]
    special = {token["content"] for token in saved["added_tokens"]}
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    kinds = gguf.TokenType
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.CONTROL if t in special else kinds.NORMAL for t in tokens])
    writer.add_token_merges([" ".join(pair) for pair in saved["model"]["merges"]])
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    writer.add_eos_token_id(vocabulary[settings["eos_token"]])
    writer.add_bos_token_id(vocabulary[settings["bos_token"]])
    writer.add_chat_template((folder / "chat_template.jinja").read_text())


def _interleaved(weights: Array, heads: int) -> Array:
    """Rows of queries or keys in the order of llama.cpp, whose rotary pairs are neighbors."""
    rows, columns = weights.shape
    pairs = weights.reshape(heads, 2, rows // heads // 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)
