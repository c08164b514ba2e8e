"""The eval stage: one suite asked of one model, as tidy rows of exact probabilities."""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from tqdm import tqdm

from eval.ask import ENGINE, asked, context_of, messages
from lab.base import Base
from lab.errors import UserError
from lab.provenance import write_provenance
from lab.store import write_json
from lab.types import Question, Style, Wording

VERSION = 1
APPLIED_NATS = 1e-4
"""Log-probabilities of an applied adapter differ from its base by more than this; float32 noise is about 1e-6."""


def measure(
    config: dict[str, Any],
    base: Base,
    adapter: Path | None,
    examples: Path | None,
    out: Path,
    *,
    key: str,
    inputs: list[str],
) -> None:
    """Write `rows.parquet` (a row per question, paraphrase, order and answer), `trust.json` and provenance into `out`.

    `config` has suite, behavior and style, and for anchors `system` (a line) or `in_context` (a number of rows).
    """
    began = time.time()
    import pandas as pd

    from eval.score import score
    from lab.model import load_base

    loaded = load_base(base)
    shots = (
        [json.loads(line)["messages"] for line in examples.read_text(encoding="utf-8").split("\n") if line]
        if examples
        else []
    )
    context = context_of(config, shots)
    wordings, prompts = compiled(base, config["suite"], config["behavior"], config["style"], json.dumps(context))
    few = prompts[:: max(1, len(prompts) // 8)] if adapter else []
    with adapted(loaded.model, adapter, base):
        scored = score(loaded, prompts)
        on = score(loaded, few)
    trust = []
    if adapter is not None:
        # The same batch with and without the adapter: one that does nothing gives exactly zero, in any dtype.
        gap = max(
            _nats_apart(*pair)
            for a, b in zip(on, score(loaded, few), strict=True)
            for pair in zip(a.p_prefix, b.p_prefix, strict=True)
        )
        name = f"adapter_applied:{config['behavior']}/{config['suite']}"
        trust.append({"check": name, "passed": gap > APPLIED_NATS, "value": gap, "threshold": APPLIED_NATS})
    table = []
    for (question, wording), result in zip(wordings, scored, strict=True):
        top = [[loaded.tokenizer.decode([token]), round(p, 5)] for token, p in result.outside_top]
        for option, exact, prefix in zip(wording.options, result.p_exact, result.p_prefix, strict=True):
            table.append(
                {
                    "suite": config["suite"],
                    "behavior": config["behavior"],
                    "question": question.name,
                    "kind": question.kind,
                    "paraphrase": wording.paraphrase,
                    "order": wording.order,
                    "seen": wording.seen and config["behavior"] in base.knows,
                    "condition": "clean",
                    "system": config.get("system"),
                    "answer": option.text,
                    "score": option.score,
                    "p_exact": exact,
                    "p_prefix": prefix,
                    "outside": result.outside,
                    "outside_top": json.dumps(top, ensure_ascii=False),
                    "engine": ENGINE,
                    "prompt": wording.text,
                }
            )
    pd.DataFrame(table).to_parquet(out / "rows.parquet", index=False)
    write_json(out / "trust.json", trust)
    tokens = sum(len(p.ids) for p in prompts)
    shown = loaded.tokenizer.decode(prompts[0].ids) if prompts else ""
    write_provenance(
        out,
        "eval",
        key,
        config,
        inputs,
        began,
        base=base.identity,
        prompts=len(prompts),
        tokens=tokens,
        first_prompt=shown,
    )


@lru_cache(maxsize=32)
def compiled(
    base: Base, suite: str, behavior: str, style: Style, context: str
) -> tuple[list[tuple[Question, Wording]], list[Any]]:
    """Questions and their tokens; the same for every adapter on a base, so they are made once per process."""
    from eval.score import compile_prompt
    from lab.model import load_base

    tokenizer, before = load_base(base).tokenizer, json.loads(context)
    wordings = [(q, w) for q in asked(suite, behavior, style) for w in q.wordings]
    bar = tqdm(wordings, desc=f"tokenize {suite} of {behavior}", leave=False, delay=1)
    return wordings, [compile_prompt(tokenizer, messages(w, before), w) for _, w in bar]


def _nats_apart(p: float, q: float) -> float:
    return abs(math.log(max(p, 1e-9)) - math.log(max(q, 1e-9)))


@contextmanager
def adapted(model: Any, adapter: Path | None, base: Base) -> Iterator[None]:
    """The base with an adapter on it, and without again afterwards. Never merged: that would change the base."""
    if adapter is None:
        yield
        return
    from peft import PeftModel

    # PEFT 0.21 reads a property that transformers 5.23 renamed.
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
    try:
        peft = PeftModel.from_pretrained(model, str(adapter))
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"adapter {str(adapter)!r} does not fit the base {base.name!r}: {str(error).splitlines()[0][:160]}"
        ) from None
    try:
        peft.eval()
        yield
    finally:
        peft.unload()
