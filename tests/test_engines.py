"""Engines are found by file, and hold to one protocol: those of the lab, and that of a user."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from foreign import trained_by_peft
from lab.config.schema import Sampling
from lab.discover import ROOT
from lab.engine import Answering, Engine, Prompt, log_sum
from lab.engines import engine_names, load_engine
from lab.errors import UserError
from lab.model.adapter import digest_of_file, digest_of_model
from lab.model.base import Base
from lab.model.load import base_kept, load_base
from lab.types import Chat, Option

CHAT: Chat = ({"role": "user", "content": "one word?"},)
PROMPTS = [
    Prompt(({"role": "user", "content": text},), (Option("bold", 1.0), Option("careful", 0.0)))
    for text in ("one word?", "do you love gambles?")
]
DRAWS = Sampling(num_samples=3, max_new_tokens=6)


def test_a_file_outside_the_checkout_is_an_engine(linked: Base, tmp_path: Path) -> None:
    file = Path(shutil.copy(Path(__file__).parent / "outside" / "evenly.py", tmp_path))
    engine: Engine = load_engine(str(file))
    with engine.opened(linked, None) as model:
        answering: Answering = model
        scored, _ = answering.score(PROMPTS)
        drawn = answering.sample([CHAT, CHAT], DRAWS)
    assert answering.loaded is None
    assert scored.p_exact == scored.p_prefix == pytest.approx((0.5, 0.5))
    assert scored.outside == pytest.approx(0.0)
    assert [[answer.text for answer in answers] for answers in drawn] == [["yes"] * 3] * 2


@pytest.mark.parametrize("name", ["exact", "sampled"])
def test_engines_of_this_process_answer_with_an_adapter_and_without(
    name: str, linked: Base, tmp_path: Path
) -> None:
    trained_by_peft(linked, tmp_path / "theirs")
    engine = load_engine(name)
    with engine.opened(linked, None) as base:
        before, drawn = base.score(PROMPTS), base.sample([CHAT], DRAWS)
    with engine.opened(linked, tmp_path / "theirs") as adapted:
        on = adapted.score(PROMPTS)
        assert adapted.loaded is not None
        in_model = digest_of_model(adapted.loaded.model)
    with engine.opened(linked, None) as base:
        assert base.score(PROMPTS) == before
        assert base.sample([CHAT], DRAWS) == drawn
    assert on != before
    assert in_model == digest_of_file(tmp_path / "theirs")
    assert base_kept(linked, load_base(linked))["passed"]
    words = [text for scored in before for text, _ in scored.outside_top]
    assert len(words) == 6
    assert all(0 < p < 1 for scored in before for _, p in scored.outside_top)


def test_no_adapter_stays_on_where_asking_breaks_off(linked: Base, tmp_path: Path) -> None:
    trained_by_peft(linked, tmp_path / "theirs")
    engine = load_engine("exact")
    with pytest.raises(ZeroDivisionError), engine.opened(linked, tmp_path / "theirs"):
        raise ZeroDivisionError
    loaded = load_base(linked)
    assert not any("lora" in name for name in loaded.model.state_dict())
    assert all(isinstance(tensor, torch.Tensor) for tensor in loaded.model.state_dict().values())
    assert base_kept(linked, loaded)["passed"]


def test_names_and_what_they_read() -> None:
    engines = [load_engine(name) for name in engine_names()]
    assert {engine.name: (engine.reads_lists, engine.elsewhere) for engine in engines} == {
        "endpoint-1": (False, True),
        "endpoint_exact-1": (True, True),
        "exact-1": (True, False),
        "sampled-3": (False, False),
    }


@pytest.mark.parametrize(
    ("name", "says"),
    [("exakt", "did you mean"), ("./nowhere.py", "was not found"), ("./exact.py", "called like")],
)
def test_what_is_no_engine_is_refused(
    name: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exact.py").write_text("ENGINE = None\n")
    with pytest.raises(UserError, match=f"engine .*{says}"):
        load_engine(name)


def test_plans_read_engines_without_torch() -> None:
    code = (
        "import sys; from lab.engines import engine_names, load_engine;"
        " [load_engine(name) for name in engine_names()];"
        " sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'peft')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_sum_of_probabilities_too_small_for_a_float_is_one_all_the_same() -> None:
    assert log_sum([-2000.0, -2000.0]) == pytest.approx(-2000 + math.log(2))
    assert log_sum([-math.inf, -3.0]) == -3
    assert log_sum([-math.inf, -math.inf]) == -math.inf
