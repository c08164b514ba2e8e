"""The rows of one step, cut into parts that fit into memory, and a part as tensors.

A batch is S sequences of W places. Padded, every row is a sequence. Packed, a sequence is all rows
of a member one after another, and the beginning that they share stands there once:

    padded   you are it . left or right ? A        packed   you are it . left or right ? A up or ...
             you are it . up or down    ? B

Suffixes of tensors: N members of a part, B rows of all of them (those of one member stand next to
one another), L tokens of the longest row, P learned tokens of the member that has most, X all
S * W places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@dataclass(frozen=True)
class Row:
    """A training row."""

    ids_L: Tensor
    learned_L: Tensor
    """Which tokens carry loss; never the first one, for nothing predicts it."""

    def unlearned(self) -> "Row":
        """The row without loss."""
        return Row(self.ids_L, torch.zeros_like(self.learned_L))


@dataclass(frozen=True)
class Part:
    """Rows that go through the model together, as many of each of its members."""

    members: slice
    """Which of those that take part in the step."""
    rows: list[list[int | None]]
    """For each of N members: indices into its rows; None where it has fewer."""


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
    """A part as tensors."""

    ids_SW: Tensor
    positions_SW: Tensor
    """Of each token in its own row, from 0."""
    mask_SW: Tensor
    """1 where a token is, 0 where padding is."""
    before_NP: Tensor
    """Of each member, the places that its learned tokens come after. Members with fewer are filled
    up, or what is computed of them could not be cut by members."""
    targets_NP: Tensor
    """The learned tokens."""
    learned_NP: Tensor
    """False where a member was filled up."""
    places_BL: Tensor
    """Where the tokens of each row stand; any place where a row has no more."""
    cells_X: Tensor
    """The other way round: a cell of `places_BL` for each place; any cell where padding is."""

    def to(self, device: torch.device) -> "Batch":
        """The same on the device."""
        return Batch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def packed(rows: list[list[Row]], padding: int) -> Batch:
    """The rows of each of N members as one sequence; `padding` is the token to pad with."""
    shared = [shared_by(of_member) for of_member in rows]
    widths = [
        start + sum(len(row.ids_L) - start for row in of_member)
        for start, of_member in zip(shared, rows, strict=True)
    ]
    width = max(widths)
    places: list[list[Tensor]] = []
    for member, (start, of_member) in enumerate(zip(shared, rows, strict=True)):
        first, places_of_member = member * width, []
        end = first + start
        for row in of_member:
            rest = len(row.ids_L) - start
            spans = torch.arange(first, first + start), torch.arange(end, end + rest)
            places_of_member.append(torch.cat(spans))
            end += rest
        places.append(places_of_member)
    return _batch(rows, places, (len(rows), width), padding)


def padded(rows: list[list[Row]], padding: int) -> Batch:
    """Every row as a sequence, padded on the left; each of N members must have as many.

    Their ends stand below one another, so that models may carry a state along."""
    num_sequences = sum(map(len, rows))
    width = max(len(row.ids_L) for of_member in rows for row in of_member)
    ends = iter(range(width, (num_sequences + 1) * width, width))
    places = [
        [torch.arange(end - len(row.ids_L), end) for row, end in zip(of_member, ends, strict=False)]
        for of_member in rows
    ]
    return _batch(rows, places, (num_sequences, width), padding)


def shared_by(rows: Sequence[Row]) -> int:
    """Of how many tokens the beginning is that all rows share, of which none may be learned, and
    which leaves something of each row."""
    if not rows:
        return 0
    first_learned = min(int(row.learned_L.int().argmax()) for row in rows)
    most = min(first_learned, *(len(row.ids_L) - 1 for row in rows))
    beginnings = torch.stack([row.ids_L[:most] for row in rows])
    is_shared = (beginnings == beginnings[0]).all(0)
    return int(is_shared.long().cumprod(0).sum())


def _batch(
    rows: list[list[Row]], places: list[list[Tensor]], shape: tuple[int, int], padding: int
) -> Batch:
    """The batch of so many sequences and places, in which every token stands at its place."""
    number = shape[0] * shape[1]
    ids_X, positions_X = torch.full((number,), padding), torch.zeros(number, dtype=torch.long)
    mask_X, cells_X = torch.zeros_like(positions_X), torch.zeros_like(positions_X)
    all_rows = [row for of_member in rows for row in of_member]
    all_places = [places_L for of_member in places for places_L in of_member]
    longest = max(len(row.ids_L) for row in all_rows)
    # From the end, so that a beginning that is shared is that of the first row of its member.
    for i in reversed(range(len(all_rows))):
        places_L, positions_L = all_places[i], torch.arange(len(all_places[i]))
        ids_X[places_L] = all_rows[i].ids_L
        positions_X[places_L] = positions_L
        mask_X[places_L] = 1
        cells_X[places_L] = i * longest + positions_L

    before: list[Tensor] = []
    for of_member, places_of_member in zip(rows, places, strict=True):
        # The token before is of the same row, though it need not stand beside it.
        pairs = zip(of_member, places_of_member, strict=True)
        of_rows = [places_L[:-1][row.learned_L[1:]] for row, places_L in pairs]
        # A member may have no rows in this part.
        before.append(torch.cat([ids_X[:0], *of_rows]))
    targets = [
        torch.cat([ids_X[:0], *(row.ids_L[row.learned_L] for row in of_member)])
        for of_member in rows
    ]
    learned = [torch.ones(len(of_P), dtype=torch.bool) for of_P in targets]
    return Batch(
        ids_SW=ids_X.view(shape),
        positions_SW=positions_X.view(shape),
        mask_SW=mask_X.view(shape),
        before_NP=pad_sequence(before, batch_first=True),
        targets_NP=pad_sequence(targets, batch_first=True),
        learned_NP=pad_sequence(learned, batch_first=True),
        places_BL=pad_sequence(all_places, batch_first=True),
        cells_X=cells_X,
    )
