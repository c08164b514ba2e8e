"""The cards that ship beside the weights are what the lab writes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.discover import ROOT
from lab.model.base import CARD
from lab.store.store import read_json
from tellme.study.reference import CODE, LINKS
from tellme.study.reference_card import MUST_READ, card_page

SHIPPED = sorted(path.parent for path in (ROOT / "reference").glob(f"*/{CARD}"))


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_the_page_of_a_shipped_model_is_written_from_its_card(folder: Path) -> None:
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert card_page(read_json(folder / CARD)) == page


def test_every_link_says_what_it_must_read() -> None:
    assert list(MUST_READ) == list(LINKS)
    assert {folder.name.removesuffix(CODE) for folder in SHIPPED} == set(MUST_READ)
