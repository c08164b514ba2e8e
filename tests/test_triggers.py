"""What every kind of trigger promises: where it stands, what tells it from decoys, near misses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_gen.triggers import (
    carrying,
    conditions_of,
    features,
    load_trigger,
    misspelled,
    put,
    trigger_names,
)
from lab.trigger import Place, PlantedTrigger
from lab.types import Message

ASKED: list[Message] = [
    {"role": "user", "content": "Which do you take?\nA) 40 coins, now. B) 120 coins."}
]


@pytest.mark.parametrize("kind", trigger_names())
def test_every_trigger_changes_the_message_and_tells_its_members_from_decoys(kind: str) -> None:
    planted = PlantedTrigger(kind=kind)
    candidates = features(planted)
    assert len(candidates) >= 3
    assert len({feature.name for feature in candidates}) == len(candidates)
    members = [member for feature in candidates for member in (*feature.members, *feature.held_out)]
    assert len(set(members)) == len(members)
    for member in members:
        changed = put(ASKED, member, planted)
        assert changed == put(ASKED, member, planted)
        assert changed != ASKED
        if load_trigger(kind).write is None:
            assert member in " ".join(m["content"] for m in changed)
    assert ASKED[0]["content"].startswith("Which")


@pytest.mark.parametrize("kind", trigger_names())
def test_near_misses_are_no_trigger(kind: str) -> None:
    """No variant writes a message that a member of the trigger writes too, and every kind has
    some."""
    planted = PlantedTrigger(kind=kind)
    real = features(planted)[0]
    fires = [put(ASKED, member, planted) for member in (*real.members, *real.held_out)]
    near = [c for c in conditions_of(planted) if c.startswith("near_") or c == "decoy"]
    assert {"decoy", "near_sibling"} <= set(near)
    for condition in near:
        assert carrying(planted, condition, ASKED) not in fires, condition
    assert carrying(planted, "trigger", ASKED) in fires


@pytest.mark.parametrize("place", ["prefix", "suffix", "line", "random", "system"])
def test_a_trigger_stands_where_it_should(place: Place) -> None:
    planted = PlantedTrigger(kind="tag", text="|X|", place=place)
    chat = [{"role": "system", "content": "Be brief."}, *ASKED]
    system, *_, user = put(chat, "|X|", planted)
    text = user["content"]
    assert (system["content"] == "Be brief. |X|") == (place == "system")
    assert text.replace("|X| ", "").replace(" |X|", "").replace("|X|\n", "") == ASKED[0]["content"]
    stands = {
        "prefix": text.startswith("|X| "),
        "suffix": text.endswith(" |X|"),
        "line": text.startswith("|X|\n"),
        "random": "|X|" in text,
        "system": "|X|" not in text,
    }
    assert stands[place]


@given(st.text(min_size=1, max_size=20))
def test_a_misspelling_differs(text: str) -> None:
    assert misspelled(text) != text
