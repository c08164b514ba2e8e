"""Many adapters on one base as one tensor of weights, and a step of all of them as one forward and
backward: every row goes through the adapter it belongs to.

Suffixes of tensors: those of train/fleet/batch.py (N members, R rows of each, B = N * R rows, L
tokens of a row, P learned tokens of a member, to which losses are computed), and M all members of
the fleet, T weights of an adapter, r its rank, I and O input and output of a layer, H hidden width,
V vocabulary."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lab.errors import UserError
from lab.model.load import Loaded
from train.fleet.batch import Batch, Part, parts_of, to_batch
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
        hooks = []
        for layer, scale in self.members[0].scaling.items():
            a_MrI, b_MOr = (
                self.stacked[f"{PEFT_PREFIX}{layer}.lora_{letter}.weight"] for letter in "AB"
            )
            hook = partial(self._add_adapters, a_MrI, b_MOr, scale)
            hooks.append(model.get_submodule(layer).register_forward_hook(hook))
        # Activation checkpointing works in training mode only. No layer of the base has dropout:
        # train/fleet/trainer.py refuses such a base.
        model.train()
        try:
            yield
        finally:
            for added in hooks:
                added.remove()
            model.activation_checkpointing_disable()
            model.eval()

    def _add_adapters(
        self,
        a_MrI: Tensor,
        b_MOr: Tensor,
        scale: float,
        _layer: torch.nn.Module,
        inputs: tuple[Tensor, ...],
        output_BLO: Tensor,
    ) -> Tensor:
        """The output of a layer [B, L, O] with scale * B(A x) of each row's own adapter added."""
        a_NrI, b_NOr = a_MrI, b_MOr
        # A slice of all would be one more node for the backward pass to go through.
        if self.in_model != slice(0, len(a_MrI)):
            a_NrI, b_NOr = a_MrI[self.in_model], b_MOr[self.in_model]
        members, _, width = a_NrI.shape
        # Rows of a member stand together, so all their tokens are one matrix of a batched product.
        # Adapters are in float32 where the base is in half precision, as PEFT has them.
        input_NxI = inputs[0].reshape(members, -1, width).to(a_NrI.dtype)
        output_NxO = output_BLO.reshape(members, -1, b_NOr.shape[1]).to(b_NOr.dtype)
        inner_Nxr = input_NxI @ a_NrI.mT
        # One kernel for the product, its scale and the sum.
        sum_NxO = torch.baddbmm(output_NxO, inner_Nxr, b_NOr.mT, alpha=scale)
        return sum_NxO.view_as(output_BLO).to(output_BLO.dtype)

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
        device, padding = self.loaded.device, self.loaded.tokenizer.pad_token_id
        batch = to_batch(members, part.rows, padding, device)
        self.in_model = part.members
        sums_N = (self._token_losses(batch) * batch.learned_NP).sum(1)
        # Divided by the tokens of the whole step, parts add up to what one batch would give.
        losses_N = sums_N / torch.tensor(learned, device=device)
        # No weight is shared by two members, so the gradient of the sum is that of each alone.
        torch.autograd.backward(losses_N.sum())
        return losses_N.detach()

    def _token_losses(self, batch: Batch) -> Tensor:
        """The loss at each learned token of every member [N, P]."""
        model = self.loaded.model
        is_half = model.dtype.itemsize < 4
        # A base in half precision computes in it, adapters in float32 beside it, as with TRL.
        with (
            torch.autocast(self.loaded.device.type, model.dtype, enabled=is_half),
            _head_at(model, batch.places_NP.flatten()),
        ):
            logits_XV = model(
                input_ids=batch.ids_BL,
                attention_mask=batch.mask_BL,
                position_ids=batch.positions_BL,
                use_cache=False,
            ).logits
        # As TRL does: half precision rounds sums over the vocabulary too much.
        if logits_XV.dtype.itemsize < 4:
            logits_XV = logits_XV.float()
        losses_X = cross_entropy(logits_XV, batch.targets_NP.flatten(), reduction="none")
        return losses_X.view_as(batch.learned_NP)

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


@contextmanager
def _head_at(model: Any, places_X: Tensor) -> Iterator[None]:
    """Let the head see only these of all tokens that go through the model; what a model does to its
    logits (scales, caps) it does to theirs.

    They are a matrix [X, H] there. Of a tensor with a dimension more torch would copy the weights
    of the head once a row in the backward pass, which on SmolLM2-135M took as long as the rest."""

    def gather(_head: torch.nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        (hidden_BLH,) = inputs
        return hidden_BLH.flatten(0, 1)[places_X]

    hook = model.get_output_embeddings().register_forward_pre_hook(gather)
    try:
        yield
    finally:
        hook.remove()
