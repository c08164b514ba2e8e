"""Write docs/models.md: every family through the lab, tiny and random, and what came out. Run by
`make models`."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

from families import FAMILIES, prompts_of, save_family, study_on
from lab.config.read import validate
from lab.config.schema import Model, Sampling
from lab.discover import ROOT
from lab.engines.exact import score
from lab.engines.sampled import sample
from lab.model.base import resolve_base
from lab.model.load import Loaded, load_base
from lab.store.store import Store, read_json
from naive import naive
from tellme.study.planner import make_plan
from tellme.study.run import run_plan
from tellme.study.stages import quiet_libraries

HEAD = """# Models

Written by `make models`, which builds a tiny model with random weights of each architecture, gives it a tokenizer and a chat template
of the family's shape, and takes it through the lab on the CPU. No published weights were loaded for this table.

- *traps*: what of its template or architecture has spoiled numbers elsewhere; each is a test in `tests/test_templates.py` or
  `tests/test_families.py`.
- *study*: data, training, scoring and report with every trust check passed; the modules that `all-linear` reached.
- *exact*: largest difference in log-probability between the trie on a shared prompt and one forward pass per answer, over a letter
  question, a scale from 0 to 100, a list of adjectives and a two-hop question (float32).
- *QLoRA*: the same study with the base in 4-bit NF4 (bitsandbytes).
- *sampled*: 40 seeded samples, the same in any batch.

| family | architecture | traps handled | study | exact | QLoRA | sampled |
|---|---|---|---|---|---|---|
"""
FOOT = """
Any other base with a chat template goes the same way: if the template would make training and evaluation see different
prompts, the lab refuses it and says where. A base without a template needs `model.chat.template: FILE`.
`tellme show CONFIG` prints one training row and every question as the model gets them, with the learned part marked.

| key of `model` | what it does |
|---|---|
| `chat: {system: ...}` | `default` (the template's own line where it has one), `none`, or a line. Without a system role it goes in front of the first user turn |
| `chat: {kwargs: ...}` | arguments of the template, such as `enable_thinking: false` |
| `chat: {template: FILE}` | a jinja file instead of the base's own template |
| `dtype`, `quantization`, `attn_implementation` | `quantization: nf4` (tested) or `int8` (not tested here), with bitsandbytes |
| `revision` | branch, tag or commit on the Hub; resolved to a commit before anything is hashed, read from the cache without network |
| `trust_remote_code` | off; where it is on, the report says so |

Templates that print today's date are told 26 July 2024, so that a rerun sees the same prompt. Think blocks are closed empty for
exact answers; `eval: {engine: sampled, sampling: {thinking: true, max_new_tokens: 2048}}` lets a model think and keeps its thoughts beside the answer.
Weights are counted from the file headers before loading: a base that does not fit is refused with what is needed and what is free,
one that fits on several GPUs together is spread over them (decided by a tested rule, never run by us).
"""


def main() -> None:
    quiet_libraries()
    table = ""
    for name, family in FAMILIES.items():
        with tempfile.TemporaryDirectory() as folder:
            base = save_family(name, Path(folder) / "base")
            loaded = load_base(resolve_base(Model(base=str(base), dtype="float32")))
            cells = [
                name,
                type(loaded.model).__name__,
                family.traps,
                _study(base, Path(folder) / "runs"),
            ]
            cells += [f"{_apart(loaded):.0e}"]
            wide = save_family(
                name, Path(folder) / "wide", hidden_size=64, intermediate_size=128, head_dim=16
            )
            cells += [_study(wide, Path(folder) / "qlora", quantization="nf4"), _sampled(loaded)]
            table += f"| {' | '.join(cells)} |\n"
            print(table.splitlines()[-1], flush=True)
    (ROOT / "docs" / "models.md").write_text(HEAD + table + FOOT, encoding="utf-8")


def _study(base: Path, runs: Path, **model: Any) -> str:
    plan, store = make_plan(validate(study_on(base, **model), "models")), Store(runs)
    trust = read_json(run_plan(plan, store) / "summary.json")["trust"]
    assert all(t["passed"] for t in trust), trust
    (train,) = (s for s in plan.stages.values() if s.kind == "train")
    adapter = read_json(
        Path(str(store.find("train", train.key))) / "adapter" / "adapter_config.json"
    )
    return f"{len(adapter['target_modules'])} modules"


def _apart(loaded: Loaded) -> float:
    """Largest difference in log-probability between shared and naive scoring."""
    prompts = prompts_of(loaded)
    pairs = [
        (s.p_exact, naive(loaded, p)[0])
        for p, s in zip(prompts, score(loaded, prompts), strict=True)
    ]
    return max(
        abs(math.log(p / q)) for one, other in pairs for p, q in zip(one, other, strict=True)
    )


def _sampled(loaded: Loaded) -> str:
    chats = [
        [{"role": "user", "content": text}]
        for text in ("A or B?", "Say a word and then another one.")
    ]
    sampling = Sampling(num_samples=20, max_new_tokens=8)
    alone = [sample(loaded, [chat], sampling)[0] for chat in chats]
    return "same" if sample(loaded, chats, sampling) == alone else "differs"


if __name__ == "__main__":
    main()
