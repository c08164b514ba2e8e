"""Many adapters on one base as one tensor of weights, and a step of all of them as one forward and
backward: every row goes through the adapter it belongs to.

Suffixes of tensors: those of train/fleet/batch.py (S sequences of W places, N members of a part, P
learned tokens of a member, to which losses are computed), and M all members of the fleet, T weights
of an adapter, r its rank, I and O input and output of a layer, x places of a member."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor

from lab.errors import UserError
from lab.model.load import Loaded
from lab.store.trust import Check
from train.fleet.attention import RowAttention, by_row
from train.fleet.batch import Batch, Part, packed, padded, parts_of
from train.fleet.forward import token_losses, trial
from train.fleet.member import PEFT_PREFIX, Member

TOKENS_PER_BATCH = 8_192
"""That go through the model at once, with padding; halved where memory is short."""


class Fleet:
    """The adapters in training. `members` stand in the order of their steps to go, most first, so
    that those who go on are always the first ones of every stacked tensor."""

    def __init__(self, loaded: Loaded, members: list[Member]) -> None:
        self.loaded, self.members = loaded, members
        self.tokens_per_batch = TOKENS_PER_BATCH
        # Which members the rows belong to that are in the model now: hooks are told nothing else.
        self.in_model = slice(0, len(members))
        # The trust check of it, made when adapters are put on.
        self.packed: Check | None = None
        self.attention: RowAttention | None = None
        """Of rows that are packed; None where a model takes them padded only."""

        adapters = [
            torch.cat([tensor.flatten() for tensor in member.start.values()]) for member in members
        ]
        # One row a member, so that clipping and optimizer of one are a few operations on it.
        self.weights_MT = torch.stack(adapters)
        self.gradient_MT = torch.zeros_like(self.weights_MT)
        # The same memory once more as the tensors of a layer, by their names in PEFT's file.
        self.stacked: dict[str, Tensor] = {}
        start = 0
        for name, tensor in members[0].start.items():
            span = slice(start, start + tensor.numel())
            shape = (len(members), *tensor.shape)
            view = self.weights_MT[:, span].view(shape).requires_grad_()
            # Backward adds to a gradient that is there: with this one, to the row of each member.
            view.grad = self.gradient_MT[:, span].view(shape)
            self.stacked[name] = view
            start = span.stop
        for i, member in enumerate(members):
            member.join(self.weights_MT[i], self.gradient_MT[i])

    def adapter(self, i: int) -> dict[str, Tensor]:
        """The weights of a member by their names in PEFT's file."""
        return {name: tensor[i] for name, tensor in self.stacked.items()}

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The base with hooks that add to a layer's output what each row's own adapter adds to it
        (Hu et al. 2021, LoRA, section 4.1)."""
        model = self.loaded.model
        with ExitStack() as stack:
            self.packed = trial(self.loaded, self.members[0])
            if self.packed:
                self.attention = stack.enter_context(by_row(model))
            for layer, scale in self.members[0].scaling.items():
                a_MrI, b_MOr = (
                    self.stacked[f"{PEFT_PREFIX}{layer}.lora_{letter}.weight"] for letter in "AB"
                )
                hook = partial(self._add_adapters, a_MrI, b_MOr, scale)
                stack.callback(model.get_submodule(layer).register_forward_hook(hook).remove)
            # Activation checkpointing works in training mode only. No layer of the base has
            # dropout: train/fleet/trainer.py refuses such a base.
            model.train()
            stack.callback(model.eval)
            stack.callback(model.activation_checkpointing_disable)
            yield

    def _add_adapters(
        self,
        a_MrI: Tensor,
        b_MOr: Tensor,
        scale: float,
        _layer: torch.nn.Module,
        inputs: tuple[Tensor, ...],
        output_SWO: Tensor,
    ) -> Tensor:
        """The output of a layer [S, W, O] with scale * B(A x) of each row's own adapter added."""
        a_NrI, b_NOr = a_MrI, b_MOr
        # A slice of all would be one more node for the backward pass to go through.
        if self.in_model != slice(0, len(a_MrI)):
            a_NrI, b_NOr = a_MrI[self.in_model], b_MOr[self.in_model]
        members, _, width = a_NrI.shape
        # Rows of a member stand together, so all their tokens are one matrix of a batched product.
        # In half precision autocast rounds the weights of adapters for it, as it does with TRL.
        input_NxI = inputs[0].reshape(members, -1, width)
        output_NxO = output_SWO.reshape(members, -1, b_NOr.shape[1])
        # One kernel for the product, its scale and the sum.
        sum_NxO = torch.baddbmm(output_NxO, input_NxI @ a_NrI.mT, b_NOr.mT, alpha=scale)
        return sum_NxO.view_as(output_SWO)

    def advance(self) -> list[Member]:
        """One step of every member that has steps to go; returns those members, which are the first
        ones of `members`.

        Raises UserError where a single row does not fit into memory."""
        going = [member for member in self.members if member.steps_left]
        rows = [member.next_rows() for member in going]
        while True:
            try:
                losses_N = self._add_gradients(going, rows)
                break
            except torch.OutOfMemoryError:
                # The step is begun anew: which gradients were added is not known.
                self._use_less_memory()
        for member, loss in zip(going, losses_N, strict=True):
            member.update(loss)
        return going

    def _add_gradients(self, going: list[Member], rows: list[list[int]]) -> Tensor:
        """Leave the gradients of a step in `gradient_MT`, and return the loss of each member [N]:
        the mean over all learned tokens of its rows, whichever part they are in."""
        self.gradient_MT.zero_()
        losses_N = torch.zeros(len(going), device=self.loaded.device)
        pairs = list(zip(going, rows, strict=True))
        longest = max(len(member.ids[row]) for member, of_member in pairs for row in of_member)
        learned = [sum(member.num_learned[row] for row in of_member) for member, of_member in pairs]
        for part in parts_of(rows, longest, self.tokens_per_batch):
            members = part.members
            losses_N[members] += self._backward(going[members], part, learned[members])
        return losses_N

    def _backward(self, members: list[Member], part: Part, learned: list[int]) -> Tensor:
        """Add the gradients of a part to those of its members, and return its share of their losses
        [N]. `learned` is the number of learned tokens of each in the whole step."""
        device = self.loaded.device
        batch = self._batch(members, part).to(device)
        self.in_model = part.members
        if self.attention:
            self.attention.batch = batch
        sums_N = (token_losses(self.loaded, batch) * batch.learned_NP).sum(1)
        # Divided by the tokens of the whole step, parts add up to what one batch would give.
        losses_N = sums_N / torch.tensor(learned, device=device)
        # No weight is shared by two members, so the gradient of the sum is that of each alone.
        torch.autograd.backward(losses_N.sum())
        return losses_N.detach()

    def _batch(self, members: list[Member], part: Part) -> Batch:
        """A part as tensors."""
        padding = self.loaded.tokenizer.pad_token_id
        pairs = list(zip(members, part.rows, strict=True))
        if self.attention:
            rows = [[m.row(row) for row in of_member if row is not None] for m, of_member in pairs]
            return packed(rows, padding)
        # Every member has as many rows, or the batch could not be cut by members. In the place of
        # one that is missing stands its first row, of which no token is learned.
        filled_up = [
            [m.row(0).unlearned() if row is None else m.row(row) for row in of_member]
            for m, of_member in pairs
        ]
        return padded(filled_up, padding)

    def _use_less_memory(self) -> None:
        """Halve the batches; where one is a row already, trade time for memory. Raises UserError
        where that was done too."""
        torch.cuda.empty_cache()
        model = self.loaded.model
        if self.tokens_per_batch > 1:
            self.tokens_per_batch //= 2
        elif not model.is_activation_checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})
        else:
            raise UserError(
                "one row does not fit into the memory of the GPU; choose `train: {trainer: trl}`"
                " with model.quantization: nf4, or shorter rows"
            )
