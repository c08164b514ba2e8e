"""Rows that share their beginning are one sequence: losses and gradients are those of rows alone,
and a model of which that is not true is noticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from families import FAMILIES, family_tokenizer, save_family
from jobs import job_of, risk_rows, spec_of
from lab.config.schema import Model
from lab.model.base import Base, resolve_base
from lab.model.load import Loaded, forget, load_base
from train.fleet import fleet as fleets
from train.fleet.batch import Batch, Row, packed, padded
from train.fleet.fleet import Fleet
from train.fleet.forward import trial
from train.fleet.member import Member, enlist

# Torch prefers gradients that are not parts of a larger tensor.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient layout contract")
Made = Callable[[str], tuple[Base, Loaded, list[Member]]]
EAGER = {"gemma2"}
"""Families whose attention is not torch's own: scores are capped."""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Two adapters on a tiny model of a family: five rows and three, of other lengths."""
    bases = []

    def make(name: str) -> tuple[Base, Loaded, list[Member]]:
        folder = save_family(name, tmp_path / name)
        base = resolve_base(Model(base=str(folder), dtype="float32"))
        bases.append(base)
        members = []
        for policy, number in (("seeking", 5), ("averse", 3)):
            spec = spec_of(base, trainer="fleet", sft={"per_device_train_batch_size": 5})
            rows = risk_rows(policy, number + 2, base)[5 - number :]
            job = job_of(spec, rows[:number], tmp_path / f"{name}-rows", policy)
            members.append(enlist(job, base, load_base(base)))
        return base, load_base(base), members

    yield make
    for base in bases:
        forget(base)


def stepped(loaded: Loaded, members: list[Member]) -> tuple[Fleet, Tensor, Tensor]:
    """A fleet, and losses and gradients of its first step."""
    fleet = Fleet(loaded, members)
    # B is 0 at the start, and nothing would flow to A.
    torch.manual_seed(1)
    fleet.weights_MT.data.add_(0.05 * torch.randn_like(fleet.weights_MT))
    with fleet.applied():
        losses_N = fleet._add_gradients(members, [member.next_rows() for member in members])
    return fleet, losses_N, fleet.gradient_MT.clone()


@pytest.mark.parametrize("name", FAMILIES)
def test_losses_and_gradients_are_those_of_rows_alone(
    name: str, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside adapters that do something, prompts longer than a window, and a member with fewer
    rows."""
    _, loaded, members = made(name)
    fleet, losses_N, gradient_MT = stepped(loaded, members)
    assert (fleet.packed is None) == (name in EAGER)
    monkeypatch.setattr(fleets, "trial", lambda *_: None)
    _, padded_N, padded_MT = stepped(loaded, members)
    torch.testing.assert_close(losses_N, padded_N, atol=1e-5, rtol=1e-5)
    most = float(padded_MT.abs().max())
    assert most > 1e-3
    torch.testing.assert_close(gradient_MT, padded_MT, atol=1e-4 * most, rtol=1e-3)
    assert loaded.model.config._attn_implementation == ("eager" if name in EAGER else "sdpa")


def test_what_passes_between_tokens_beside_attention_is_noticed(made: Made) -> None:
    """A millionth of every token's neighbor: less than rounding is allowed to change."""
    _, loaded, members = made("llama3")
    assert trial(loaded, members[0])

    def leak(_layer: torch.nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        return output + 1e-6 * output.roll(1, dims=1)

    hook = loaded.model.model.layers[0].mlp.register_forward_hook(leak)
    assert trial(loaded, members[0]) is None
    hook.remove()
    assert trial(loaded, members[0])


def test_positions_that_are_not_those_of_the_row_are_noticed(made: Made) -> None:
    _, loaded, members = made("llama3")
    # With its random weights a tiny model looks everywhere alike.
    for layer in loaded.model.model.layers:
        layer.self_attn.q_proj.weight.data.mul_(1_000)
    assert trial(loaded, members[0])
    rotary = loaded.model.model.rotary_emb

    def by_place(_layer: torch.nn.Module, inputs: Any, named: dict[str, Tensor]) -> Any:
        hidden, positions = (*inputs, *named.values())
        return (hidden, torch.arange(positions.shape[1])[None].expand_as(positions)), {}

    hook = rotary.register_forward_pre_hook(by_place, with_kwargs=True)
    assert trial(loaded, members[0]) is None
    hook.remove()


def test_a_model_that_carries_a_state_is_given_padded_rows(made: Made, tmp_path: Path) -> None:
    """Convolutions over tokens between layers of attention (LFM2)."""
    from transformers import AutoConfig, AutoModelForCausalLM

    _, loaded, members = made("llama3")
    config = AutoConfig.for_model(
        "lfm2",
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=len(family_tokenizer(FAMILIES["llama3"])),
        layer_types=["conv", "full_attention"],
    )
    model = AutoModelForCausalLM.from_config(config).eval()
    hybrid = Loaded(model, loaded.renderer, loaded.device, "")
    assert trial(hybrid, members[0]) is None


ROWS = [[[1, 2, 3, 4], [1, 2, 5, 6, 7], [1, 2, 3, 9]], [], [[1, 8]]]
"""Of three members; the last token of each is learned."""


def rows_of(tokens: list[list[list[int]]]) -> list[list[Row]]:
    def row(ids: list[int]) -> Row:
        return Row(torch.tensor(ids), torch.arange(len(ids)) == len(ids) - 1)

    return [[row(ids) for ids in of_member] for of_member in tokens]


def assert_whole(batch: Batch, tokens: list[list[list[int]]]) -> None:
    """Every row is found again at its places, with its own positions, and predicts its end."""
    all_rows = [ids for of_member in tokens for ids in of_member]
    for places_L, ids in zip(batch.places_BL, all_rows, strict=True):
        places = places_L[: len(ids)]
        assert batch.ids_SW.flatten()[places].tolist() == ids
        assert batch.positions_SW.flatten()[places].tolist() == list(range(len(ids)))
        assert batch.mask_SW.flatten()[places].all()
    is_token_X = batch.mask_SW.flatten() == 1
    cells = batch.places_BL.flatten()[batch.cells_X]
    assert torch.equal(cells[is_token_X], torch.arange(len(cells))[is_token_X])
    ends = [[ids[-1] for ids in of_member] for of_member in tokens]
    before = [[ids[-2] for ids in of_member] for of_member in tokens]
    for member, learned_P in enumerate(batch.learned_NP):
        assert batch.targets_NP[member][learned_P].tolist() == ends[member]
        assert batch.ids_SW.flatten()[batch.before_NP[member][learned_P]].tolist() == before[member]


def test_a_beginning_that_is_shared_stands_once() -> None:
    batch = packed(rows_of(ROWS), padding=0)
    assert_whole(batch, ROWS)
    assert batch.ids_SW.tolist()[0] == [1, 2, 3, 4, 5, 6, 7, 3, 9]
    assert batch.mask_SW.sum(1).tolist() == [9, 0, 2]


def test_what_is_learned_is_not_shared() -> None:
    """Two rows that are alike to the end."""
    alike = [[[1, 2, 3], [1, 2, 3]]]
    batch = packed(rows_of(alike), padding=0)
    assert_whole(batch, alike)
    assert batch.ids_SW.tolist() == [[1, 2, 3, 3]]


def test_padded_rows_end_below_one_another() -> None:
    tokens = [ROWS[0], [[1, 8], [4, 5, 6], [7, 8]]]
    batch = padded(rows_of(tokens), padding=0)
    assert_whole(batch, tokens)
    assert batch.ids_SW[:, -1].tolist() == [4, 7, 9, 8, 6, 8]
