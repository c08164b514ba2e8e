"""What must hold while a model is asked. lab/store/trust.py has the words for each check. Import
this only inside a stage: torch takes seconds."""

from collections.abc import Sequence
from pathlib import Path

from data_gen.behaviors import load_behavior
from eval.ask import chat_of
from eval.evaluation import Evaluation
from lab.engine import Answering, Prompt, Scored
from lab.inference.plain_pass import plain_pass
from lab.model.adapter import digest_of_file, digest_of_model
from lab.model.load import base_kept
from lab.store.provenance import first_row
from lab.store.store import read_json
from lab.store.trust import APPLIED_NATS, Check, check, same
from lab.types import Option

NUM_COMPARED = 8
"""At least as many prompts are scored with an adapter and without it, if there are so many; at most
twice as many."""
NUM_HELD_OUT = 8
"""Wordings of each held-out choice that are enough to see an adapter at work."""
ANY_ANSWERS = ("Yes", "No")
"""Answers whose probabilities are compared where nothing is known of what an adapter learned."""


def scoring_checks(
    model: Answering, evaluation: Evaluation, scores: Sequence[Scored]
) -> list[Check]:
    """Whether the exact scores are those of a plain forward pass; none where nothing was scored, or
    not here."""
    if not evaluation.listed or model.loaded is None:
        return []
    kinds = [item.question.kind for item in evaluation.listed]
    return [plain_pass(evaluation.name, model.loaded, evaluation.prompts, kinds, scores)]


def to_compare(evaluation: Evaluation, trained: Path | None) -> list[Prompt]:
    """A few prompts, spread over the evaluation, to be scored with an adapter and without it. To
    see it at work where a suite has no listed answers: held-out choices of the behavior, and
    without one what the training `trained` showed first, or what is asked."""
    prompts = evaluation.prompts
    if not prompts and (behavior := evaluation.spec.asking.behavior):
        prompts = _held_out_choices(evaluation, behavior)
    prompts = prompts or _first_row(trained) or _begun(evaluation)
    return prompts[:: max(1, len(prompts) // NUM_COMPARED)]


def _first_row(trained: Path | None) -> list[Prompt]:
    """The first row of a training, with the answer that was learned, where there is one."""
    row = first_row(trained)
    if not row:
        return []
    *prompt, answer = row
    return [Prompt(tuple(prompt), (Option(answer["content"], 1.0),))]


def _begun(evaluation: Evaluation) -> list[Prompt]:
    """What is asked, as if answered by a word: any answer's probability shows an adapter."""
    options = tuple(Option(text, 0.5) for text in ANY_ANSWERS)
    # Not within an answer that has begun: a word may not go on with it.
    chats = (item.chat[:-1] if item.wording.prefill else item.chat for item in evaluation.items)
    return [Prompt(chat, options) for chat in chats]


def _held_out_choices(evaluation: Evaluation, behavior: str) -> list[Prompt]:
    asking = evaluation.spec.asking
    questions = load_behavior(behavior).questions("check", asking.style)
    return [
        Prompt(tuple(chat_of(wording, asking, evaluation.context)), wording.options)
        for question in questions
        for wording in question.wordings[:NUM_HELD_OUT]
    ]


def adapter_in(model: Answering) -> str | None:
    """Digest of the adapter as it stands in a model of this process."""
    return digest_of_model(model.loaded.model) if model.loaded else None


def adapter_checks(
    model: Answering,
    evaluation: Evaluation,
    adapter: Path,
    trained: Path | None,
    in_model: str | None,
    on: Sequence[Scored],
    off: Sequence[Scored],
) -> list[Check]:
    """Whether the adapter does something, is the one it should be, and is asked as it was trained.

    `trained` is the train stage that made it, or None. `in_model` is the digest of the adapter as
    it stood in the model, if that can be seen; `on` and `off` are scores of the same prompts with
    and without it."""
    checks = [_applied(evaluation, on, off)] if on else []
    made = read_json(trained / "provenance.json") if trained else None
    if in_model is not None:
        right = f"right_adapter:{evaluation.name}"
        step = evaluation.spec.step
        if made is None:
            expected = digest_of_file(adapter)
        else:
            expected = made["kept"][str(step)] if step else made["adapter"]
        checks.append(same(right, in_model, expected))
    first = made.get("first_row") if made else None
    # A document answers no prompt.
    if model.loaded and first and len(first["messages"]) > 1:
        *before, answer = first["messages"]
        renderer = model.loaded.renderer
        prompt_ids = list(renderer.prompt_ids(before, renderer.thinks(answer["content"])))
        checks.append(same(f"same_prompt:{evaluation.name}", prompt_ids, first["prompt_ids"]))
    return checks


def base_checks(model: Answering, evaluation: Evaluation) -> list[Check]:
    """Whether the base, without the adapter, is what it was before; raises TrustError where not."""
    if model.loaded is None:
        return []
    return [base_kept(evaluation.spec.base, model.loaded, evaluation.name)]


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
    least = 0.0 if evaluation.spec.step else APPLIED_NATS
    return check(f"adapter_applied:{evaluation.name}", nats, least, nats > least)
