"""The rows of one step, cut into parts that fit into memory, and a part as tensors.

Suffixes of tensors: N members of a part, R rows of each, B = N * R all rows (those of one member
stand next to one another), L tokens of the longest row, P learned tokens of the member that has
most."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from train.fleet.member import Member


@dataclass(frozen=True)
class Part:
    """Rows that go through the model together, as many of each of its members."""

    members: slice
    """Which of those that take part in the step."""
    rows: list[list[int | None]]
    """[N][R]: indices into a member's rows; None where it has fewer."""


def parts_of(rows: list[list[int]], longest: int, tokens: int) -> Iterator[Part]:
    """A step in parts of at most so many `tokens` with padding, or of a single row if that is
    longer.

    `rows` are those of every member, shorter ones first; `longest` is the length of the longest."""
    widest = max(map(len, rows))
    # Filled up in front, so that the longest row of every member is in the last column: rows of one
    # part are then of like length, and little of it is padding.
    aligned: list[list[int | None]] = [
        [None] * (widest - len(of_member)) + of_member for of_member in rows
    ]
    # As many members as fit with a row each, for one product of their adapters costs little more
    # than that of a single one; then as many rows of each as fit.
    num_members = max(1, min(len(rows), tokens // longest))
    num_columns = max(1, tokens // (num_members * longest))
    for first in range(0, len(rows), num_members):
        members = slice(first, min(first + num_members, len(rows)))
        for start in range(0, widest, num_columns):
            part = [of_member[start : start + num_columns] for of_member in aligned[members]]
            # Where not all members fit, all of a part may have fewer rows than the widest has.
            if any(row is not None for of_member in part for row in of_member):
                yield Part(members, part)


@dataclass(frozen=True)
class Batch:
    """A part as tensors. Rows are padded on the left."""

    ids_BL: Tensor
    mask_BL: Tensor
    """1 where a token is, 0 where padding is."""
    positions_BL: Tensor
    """From 0 at the first token of a row, as in a row without padding."""
    places_NP: Tensor
    """Of each member, those among all B * L tokens that a learned token comes after. Members with
    fewer are filled up, or what follows could not be cut by members."""
    targets_NP: Tensor
    """The tokens that come after."""
    learned_NP: Tensor
    """False where a member was filled up."""


def to_batch(
    members: list[Member], rows: list[list[int | None]], padding: int, device: torch.device
) -> Batch:
    """The rows [N][R] of a part as tensors on the device; `padding` is the token to pad with."""
    tokens: list[Tensor] = []
    learned: list[Tensor] = []
    for member, of_member in zip(members, rows, strict=True):
        for row in of_member:
            # Every member has R rows, or the batch could not be cut by members. In the place of one
            # that is missing stands its first row, of which no token is learned.
            stands = 0 if row is None else row
            is_learned_L = member.is_learned[stands]
            tokens.append(member.ids[stands])
            learned.append(torch.zeros_like(is_learned_L) if row is None else is_learned_L)
    ids_BL = _padded(tokens, padding)
    # Made of the rows: the padding token may be a token of a row as well.
    mask_BL = _padded([torch.ones_like(ids_L) for ids_L in tokens], 0)
    # Padding would count as -1; what stands there is never looked at, but must be an index.
    positions_BL = (mask_BL.cumsum(1) - 1).clamp(min=0)

    learned_NX = _padded(learned, False).view(len(members), -1)
    places_NP, learned_NP = _places(learned_NX)
    targets_NP = ids_BL.flatten()[places_NP]
    # A token is predicted by the one before it, which is of its row: no first one is learned.
    before_NP = (places_NP - 1).clamp(min=0)
    tensors = (ids_BL, mask_BL, positions_BL, before_NP, targets_NP, learned_NP)
    return Batch(*(tensor.to(device) for tensor in tensors))


def _places(learned_NX: Tensor) -> tuple[Tensor, Tensor]:
    """The places of what is learned among the X tokens of each of N members, counted over all of
    them [N, P]; and which of these are none, but fill a member up to the P of the largest."""
    width = learned_NX.shape[1]
    places = [member * width + of_X.nonzero()[:, 0] for member, of_X in enumerate(learned_NX)]
    learned_NP = pad_sequence([torch.ones_like(of_P) for of_P in places], batch_first=True) > 0
    return pad_sequence(places, batch_first=True), learned_NP


def _padded(rows: list[Tensor], padding: int) -> Tensor:
    """Rows of different lengths as one tensor [B, L], padded on the left."""
    return pad_sequence(rows, batch_first=True, padding_value=padding, padding_side="left")
