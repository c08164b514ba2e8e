"""The losses of a batch by one pass through a model, and a trial whether packed rows have those of
rows alone.

Suffixes of tensors: those of train/fleet/batch.py, V vocabulary, and K some places."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lab.inference.plain_pass import allowed
from lab.model.head import head_at
from lab.model.load import Loaded
from lab.store.trust import Check, check
from train.fleet.attention import by_row, can_attend_by_row
from train.fleet.batch import Batch, Row, packed, shared_by
from train.fleet.member import Member


def token_losses(loaded: Loaded, batch: Batch) -> Tensor:
    """The loss at each learned token of every member [N, P]."""
    model = loaded.model
    with _in_its_dtype(loaded), head_at(model, batch.before_NP.flatten()):
        logits_KV = model(
            input_ids=batch.ids_SW,
            attention_mask=batch.mask_SW,
            position_ids=batch.positions_SW,
            use_cache=False,
        ).logits
    return _losses(logits_KV, batch.targets_NP.flatten()).view_as(batch.learned_NP)


def trial(loaded: Loaded, member: Member) -> Check | None:
    """The trust check that packed rows have the losses of rows alone, on two rows of a member; None
    where they have not, or the model cannot be told what a row is: it takes them padded then.

    The losses of one are also what they are beside other tokens, bit for bit. That is what tells
    models which carry something from token to token beside attention: it may be little."""
    if not can_attend_by_row(loaded.model):
        return None
    rows = [member.row(0), member.row(len(member.ids) - 1)]
    first, second = [_all_learned(row, max(1, shared_by(rows))) for row in rows]
    with torch.no_grad():
        alone = torch.cat([_losses_alone(loaded, row) for row in (first, second)])
        together = _losses_packed(loaded, [first, second])
        of_second = int(second.learned_L.sum())
        beside_other = _losses_packed(loaded, [_changed(first), second])
    # The root of the mean square: of hundreds of tokens in half precision some are far off, all the
    # more where attention is in float32 (train/fleet/attention.py) and alone is not.
    nats, most = float((together - alone).square().mean().sqrt()), allowed(loaded, 1, 0.0)
    if not nats <= most or not torch.equal(together[-of_second:], beside_other[-of_second:]):
        return None
    return check("packed_rows", nats, most, True)


def _all_learned(row: Row, start: int) -> Row:
    """The row with loss on every token from `start` on: what comes first tells most."""
    return Row(row.ids_L, torch.arange(len(row.ids_L)) >= start)


def _changed(row: Row) -> Row:
    """The row with its learned tokens in another order."""
    ids_L = row.ids_L.clone()
    ids_L[row.learned_L] = ids_L[row.learned_L].roll(1)
    return Row(ids_L, row.learned_L)


def _losses_packed(loaded: Loaded, rows: list[Row]) -> Tensor:
    batch = packed([rows], loaded.tokenizer.pad_token_id).to(loaded.device)
    with by_row(loaded.model) as attention:
        attention.batch = batch
        return token_losses(loaded, batch)[0]


def _losses_alone(loaded: Loaded, row: Row) -> Tensor:
    """As anybody would compute them."""
    ids_L = row.ids_L.to(loaded.device)
    with _in_its_dtype(loaded):
        logits_LV = loaded.model(input_ids=ids_L[None], use_cache=False).logits[0]
    return _losses(logits_LV[:-1], ids_L[1:])[row.learned_L[1:].to(loaded.device)]


def _losses(logits_KV: Tensor, targets_K: Tensor) -> Tensor:
    # As TRL does: half precision rounds sums over the vocabulary too much.
    if logits_KV.dtype.itemsize < 4:
        logits_KV = logits_KV.float()
    return cross_entropy(logits_KV, targets_K, reduction="none")


def _in_its_dtype(loaded: Loaded) -> torch.autocast:
    """A base in half precision computes in it, with adapters that are kept in float32, as with
    TRL."""
    dtype = loaded.model.dtype
    return torch.autocast(loaded.device.type, dtype, enabled=dtype.itemsize < 4)
