"""The answers stage: one suite asked of one model, as a row per listed answer with its exact
probability, or per sample. What an answer is worth is another stage (eval/grades.py)."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from eval.ask import asked_digest
from lab.discover import short
from lab.engine import Answering, Engine, Served
from lab.engines import engine_digest, load_engine
from lab.errors import UserError
from lab.inference.kept import spent_by
from lab.specs import AnswerSpec
from lab.store.provenance import write_provenance
from lab.store.store import write_json

if TYPE_CHECKING:
    from eval.evaluation import Evaluation

ANSWERS = "answers.parquet"


def answer(
    spec: AnswerSpec,
    adapter: Path | None,
    trained: Path | None,
    examples: Path | None,
    out: Path,
    *,
    key: str,
    inputs: list[str],
    served: Served | None = None,
) -> None:
    """Write `answers.parquet` (eval/answer_rows.py), `trust.json` and provenance into `out`.

    `trained` is the train stage that made the adapter; without it that is from elsewhere. A group
    is shown some of `examples` in context. `served` says where a model of no process here is."""
    began = time.time()
    # Here, because plans are made without torch, which takes seconds.
    from eval.answer_rows import drawn_rows, listed_rows, sampled_rows, write_rows
    from eval.conversation import answers_to
    from eval.draws import drawn
    from eval.elsewhere import server_checks
    from eval.evaluation import prepared
    from eval.trust import adapter_checks, adapter_in, base_checks, scoring_checks, to_compare

    engine = load_engine(spec.engine)
    _refuse_changed(spec, engine)
    evaluation = prepared(spec, engine.reads_lists, examples)
    few = to_compare(evaluation, trained) if adapter else []
    with engine.opened(spec.base, adapter, served) as model:
        # An engine that reads no lists scores none, unless the model is here.
        few = few if engine.reads_lists or model.loaded else []
        scores = model.score(evaluation.prompts) if evaluation.listed else []
        answers = answers_to(model, evaluation.sampled, spec.sampling)
        words = drawn(model, evaluation.drawn, spec.draws)
        trust = scoring_checks(model, evaluation, scores)
        on = model.score(few) if few else []
        in_model = adapter_in(model) if adapter else None
        told = _about(model, evaluation)
    if adapter:
        # It is off again: the same prompts are asked of the base.
        with engine.opened(spec.base, None, served) as model:
            off = model.score(few) if few else []
            of_adapter = adapter_checks(model, evaluation, adapter, trained, in_model, on, off)
            trust = [*of_adapter, *trust, *base_checks(model, evaluation)]
    trust += server_checks(engine, evaluation, adapter, trained, served, scores)
    rows = listed_rows(evaluation, scores) + sampled_rows(evaluation, answers)
    write_rows(rows + drawn_rows(evaluation, words), out / ANSWERS)
    write_json(out / "trust.json", trust)
    told |= spent_by(served)
    write_provenance(out, "answers", key, spec.identity(), inputs, began, **told)


def _refuse_changed(spec: AnswerSpec, engine: Engine) -> None:
    """What is asked, and who answers, is what was planned: answers stand under a key that says
    so."""
    names = (engine.name, engine_digest(spec.engine), spec.sampled and engine.sampler)
    if names != (spec.answered, spec.code, spec.sampled):
        what = f"engine {short(spec.engine)!r} has"
    elif asked_digest(spec.asking, engine.reads_lists) != spec.asked:
        what = f"the questions of suite {short(spec.asking.suite)!r} have"
    else:
        return
    raise UserError(f"{what} changed since the study was planned; run `tellme run` again")


def _about(model: Answering, evaluation: "Evaluation") -> dict[str, object]:
    """What else provenance says, for a reader."""
    items, loaded = evaluation.items, model.loaded
    about: dict[str, object] = {"prompts": len(items)}
    if loaded:
        # A model elsewhere has its template where it is.
        about["default_system"] = loaded.renderer.default_system
        first_prompt = loaded.renderer.prompt_text(items[0].chat) if items else ""
        about["first_prompt"] = first_prompt
    return about
