"""What must hold while a model is measured. lab/store/trust.py has the words for each check. Import
this only inside a stage: torch takes seconds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.evaluation import Evaluation
from eval.prompts import held_out_choices
from lab.engines.exact import Scored
from lab.engines.plain_pass import plain_pass
from lab.engines.prompt import Prompt
from lab.model.adapter import digest_of_file
from lab.model.load import Loaded
from lab.store.store import read_json
from lab.store.trust import APPLIED_NATS, check, same

Check = dict[str, Any]

NUM_COMPARED = 8
"""At least as many prompts are scored with an adapter and without it, if there are so many; at most
twice as many."""


def scoring_checks(loaded: Loaded, evaluation: Evaluation, scores: Sequence[Scored]) -> list[Check]:
    """Whether the exact scores are those of a plain forward pass; none where nothing was scored."""
    if not evaluation.prompts:
        return []
    kinds = [question.kind for question, _wording in evaluation.exact]
    return [plain_pass(evaluation.name, loaded, evaluation.prompts, kinds, scores)]


def prompts_to_compare(evaluation: Evaluation) -> list[Prompt]:
    """A few prompts, spread over the evaluation, to be scored with an adapter and without it."""
    prompts = evaluation.prompts or held_out_choices(
        evaluation.base, evaluation.config, evaluation.context
    )
    return prompts[:: max(1, len(prompts) // NUM_COMPARED)]


def adapter_checks(
    loaded: Loaded,
    evaluation: Evaluation,
    adapter: Path,
    trained: Path | None,
    in_model: str,
    on: Sequence[Scored],
    off: Sequence[Scored],
) -> list[Check]:
    """Whether the adapter does something, is the one it should be, and is asked as it was trained.

    `trained` is the train stage that made it, or None. `in_model` is the digest of the adapter as
    it stood in the model; `on` and `off` are scores of the same prompts with and without it."""
    applied = _applied(evaluation, on, off)
    right = f"right_adapter:{evaluation.name}"
    if trained is None:
        return [applied, same(right, in_model, digest_of_file(adapter))]
    made = read_json(trained / "provenance.json")
    step = evaluation.config.get("step")
    digest = made["kept"][str(step)] if step else made["adapter"]
    checks = [applied, same(right, in_model, digest)]
    if "first_row" in made:
        first = made["first_row"]
        prompt_ids = list(loaded.renderer.prompt_ids(first["messages"][:-1]))
        checks.append(same(f"same_prompt:{evaluation.name}", prompt_ids, first["prompt_ids"]))
    return checks


def _applied(evaluation: Evaluation, on: Sequence[Scored], off: Sequence[Scored]) -> Check:
    """The largest difference that the adapter makes to the log-probability of a listed answer."""
    # The same batch with and without the adapter: one that does nothing gives exactly zero, in any
    # dtype.
    nats = max(
        abs(log_on - log_off)
        for scored_on, scored_off in zip(on, off, strict=True)
        for log_on, log_off in zip(scored_on.log_prefix, scored_off.log_prefix, strict=True)
    )
    # Early in training an adapter may hardly differ from its base; its digest says that it is the
    # right one.
    least = 0.0 if evaluation.config.get("step") else APPLIED_NATS
    return check(f"adapter_applied:{evaluation.name}", nats, least, nats > least)
