"""The eval stage: one suite asked of one model, as tidy rows of exact probabilities or samples.

A `config` has suite, behavior, style, condition and engine; for anchors and conditions `system` (a
line), `in_context` (a number of rows), `carries` or `told` (a trigger), `triggers` (those of the
study) and `knows` (the behaviors that a reference model knows); `step` where the adapter is not
that of the end of training; and `sampling` where answers are generated."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.model.adapter import adapted, digest_of_model
from lab.model.base import Base
from lab.store.provenance import write_provenance
from lab.store.store import write_json

if TYPE_CHECKING:
    from eval.evaluation import Evaluation
    from lab.model.load import Loaded

VERSION = 4
"""Raised when the rows of the same config would differ; it enters the keys of eval stages."""


def measure(
    config: dict[str, Any],
    base: Base,
    adapter: Path | None,
    trained: Path | None,
    examples: Path | None,
    out: Path,
    *,
    key: str,
    inputs: list[str],
) -> None:
    """Write `rows.parquet` (a row per question, paraphrase, order and answer), `trust.json` and
    provenance into `out`.

    `trained` is the train stage that made the adapter; without it the adapter is from elsewhere.
    `examples` are the rows of which a group is shown some in context."""
    began = time.time()
    # Here, because a plan reads VERSION of this file, and torch takes seconds.
    from eval.evaluation import prepared
    from eval.rows import exact_rows, sampled_rows, write_rows
    from eval.trust import adapter_checks, prompts_to_compare, scoring_checks
    from lab.engines.exact import score
    from lab.model.load import base_kept, load_base

    loaded = load_base(base)
    evaluation = prepared(config, base, examples)
    few = prompts_to_compare(evaluation) if adapter else []
    with adapted(loaded.model, adapter, base) as model:
        scores = score(loaded, evaluation.prompts)
        rows = exact_rows(loaded, evaluation, scores) + sampled_rows(loaded, evaluation)
        trust = scoring_checks(loaded, evaluation, scores)
        on = score(loaded, few)
        in_model = digest_of_model(model) if adapter else ""
    if adapter:
        # It is off again: the same prompts are asked of the base.
        off = score(loaded, few)
        of_adapter = adapter_checks(loaded, evaluation, adapter, trained, in_model, on, off)
        trust = [*of_adapter, *trust, base_kept(base, loaded, evaluation.name)]

    write_rows(rows, evaluation, out / "rows.parquet")
    write_json(out / "trust.json", trust)
    about = _about(loaded, evaluation)
    write_provenance(out, "eval", key, config, inputs, began, **about)


def _about(loaded: "Loaded", evaluation: "Evaluation") -> dict[str, Any]:
    """What else provenance says, for a reader."""
    items = evaluation.items
    first_prompt = loaded.renderer.prompt_text(evaluation.chat(items[0])) if items else ""
    return {
        "default_system": loaded.renderer.default_system,
        "base": evaluation.base.identity,
        "prompts": len(items),
        "tokens": sum(len(prompt.ids) for prompt in evaluation.prompts),
        "first_prompt": first_prompt,
    }
