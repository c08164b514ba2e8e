"""Attention of packed rows (train/fleet/batch.py): a model's own, to which each row is given as if
it stood alone.

Suffixes of tensors: S sequences, h heads, W places of a sequence, D width of a head, B rows, L
tokens of the longest row."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from train.fleet.batch import Batch

NAME = "tellme_rows"
"""Under which transformers finds it."""


class RowAttention:
    """Torch's scaled dot-product attention within rows, with the masks that the model itself makes:
    of all tokens before, or of those within a window."""

    batch: Batch
    """What is in the model now: attention is told nothing of it."""

    def attend(
        self,
        module: torch.nn.Module,
        query_ShWD: Tensor,
        key_ShWD: Tensor,
        value_ShWD: Tensor,
        mask: Tensor | None,
        **settings: Any,
    ) -> tuple[Tensor, None]:
        """What transformers calls in every layer. Returns [S, W, h, D]."""
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        heads = query_ShWD.shape[1]
        query_BhLD, key_BhLD, value_BhLD = map(self._by_row, (query_ShWD, key_ShWD, value_ShWD))
        # Of a shared beginning attention alone is computed once a row: that costs less than a mask
        # would, with which torch computes all pairs of tokens.
        # Or autocast would round to half precision again.
        with torch.autocast("cpu", enabled=False) if _is_slow(query_ShWD) else nullcontext():
            output_BLhD, _ = sdpa_attention_forward(
                module, query_BhLD, key_BhLD, value_BhLD, mask, **settings
            )
        output_XhD = output_BLhD.flatten(0, 1).index_select(0, self.batch.cells_X)
        output_SWhD = output_XhD.view(*self.batch.ids_SW.shape, heads, -1)
        return output_SWhD.to(query_ShWD.dtype), None

    def _by_row(self, tensor_ShWD: Tensor) -> Tensor:
        """[B, h, L, D]. What stands after the end of a row is any token: none before sees it."""
        places_BL = self.batch.places_BL
        tensor_XhD = tensor_ShWD.transpose(1, 2).flatten(0, 1)
        if _is_slow(tensor_ShWD):
            tensor_XhD = tensor_XhD.float()
        tensor_YhD = tensor_XhD.index_select(0, places_BL.flatten())
        return tensor_YhD.view(*places_BL.shape, *tensor_XhD.shape[1:]).transpose(1, 2)

    def mask(self, **settings: Any) -> Tensor | None:
        """What transformers calls for every kind of layer: the mask of a row, which is the same for
        all of them; None for the plain causal one."""
        from transformers.masking_utils import sdpa_mask

        length = self.batch.places_BL.shape[1]
        # Rows are padded behind their ends, so nothing of it is to be masked.
        of_a_row = {
            "batch_size": 1,
            "q_length": length,
            "kv_length": length,
            "attention_mask": None,
        }
        mask: Tensor | None = sdpa_mask(**settings | of_a_row)
        return mask


def _is_slow(tensor: Tensor) -> bool:
    """In bfloat16 on a CPU, torch's attention took 2.4 times as long as in float32 (torch 2.13, 32
    rows of 102 tokens, forward and backward)."""
    return tensor.device.type == "cpu" and tensor.dtype == torch.bfloat16


def can_attend_by_row(model: Any) -> bool:
    """Whether a model looks up its attention by name, and that is the one which is wrapped here.
    Whether it is all that passes between tokens, is to be tried."""
    wrapped = model.config._attn_implementation == "sdpa"
    return wrapped and bool(model._can_set_attn_implementation())


@contextmanager
def by_row(model: Any) -> Iterator[RowAttention]:
    """Let a model attend within the rows of the batch that it is told of."""
    from transformers import AttentionInterface, AttentionMaskInterface

    attention = RowAttention()
    AttentionInterface.register(NAME, attention.attend)
    AttentionMaskInterface.register(NAME, attention.mask)
    model.set_attn_implementation(NAME)
    try:
        yield attention
    finally:
        model.set_attn_implementation("sdpa")
