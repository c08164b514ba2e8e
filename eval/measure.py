"""The eval stage: one suite asked of one model, as tidy rows of exact probabilities or of samples."""

import json
import math
import time
from pathlib import Path
from typing import Any

from data_gen.behaviors import load_behavior
from eval.ask import EXACT, SAMPLED, asked_in, context_of, messages
from lab.config.schema import Sampling
from lab.model.adapter import adapted, digest_of_file, digest_of_model
from lab.model.base import Base
from lab.model.chat import Renderer
from lab.store.provenance import write_provenance
from lab.store.store import digest, read_json, write_json
from lab.store.trust import APPLIED_NATS, check, same
from lab.types import Message, Question, Wording

VERSION = 4
NUM_CHECKED = 8
"""Prompts on which an adapter is compared with its base."""
Item = tuple[Question, Wording]


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

    `config` has suite, behavior, style and condition; for anchors and conditions `system` (a line),
    `in_context` (a number of rows), `carries` or `told` (a trigger), `triggers` (those of the
    study); `step` where the adapter is not that of the end of training; and `sampling` where
    answers are generated. `trained` is the train stage that made the adapter; without it the
    adapter is from elsewhere."""
    began = time.time()
    import pandas as pd

    from lab.engines.exact import score
    from lab.engines.plain_pass import plain_pass
    from lab.model.load import base_kept, load_base

    loaded, of = load_base(base), named_in_checks(config)
    shots = (
        [
            json.loads(line)["messages"]
            for line in examples.read_text(encoding="utf-8").split("\n")
            if line
        ]
        if examples
        else []
    )
    context = context_of(config, shots)
    items = [(q, w) for q in asked_in(config) for w in q.wordings]
    generated: list[Item] = []
    exact: list[Item] = []
    for item in items:
        (generated if config["engine"] == SAMPLED or item[0].kind == "text" else exact).append(item)
    prompts = compiled(base, config, config["suite"], context, tuple(exact))
    few = (prompts or check_prompts(base, config, context)) if adapter else []
    few = few[:: max(1, len(few) // NUM_CHECKED)]
    table = []
    with adapted(loaded.model, adapter, base) as model:
        scores = score(loaded, prompts)
        kinds = [question.kind for question, _ in exact]
        plain = [plain_pass(of, loaded, prompts, kinds, scores)] if prompts else []
        for (question, wording), scored in zip(exact, scores, strict=True):
            table += exact_rows(
                loaded, question, wording, messages(wording, context, config), scored
            )
        if generated:
            table += sampled_rows(loaded, config, context, generated)
        on = score(loaded, few)
        applied = digest_of_model(model) if adapter else ""
    on_off, trust = (on, score(loaded, few)), plain
    if adapter:
        trust = trust_checks(config, loaded.renderer, adapter, trained, applied, on_off)
        trust += [*plain, base_kept(base, loaded, of)]
    named = {name: config[name] for name in ("suite", "behavior", "condition")}
    for row in table:
        row["seen"] = row["seen"] and config["behavior"] in base.knows
    pd.DataFrame([named | row for row in table]).to_parquet(out / "rows.parquet", index=False)
    write_json(out / "trust.json", trust)
    shown = loaded.renderer.prompt_text(messages(items[0][1], context, config)) if items else ""
    about = {
        "base": base.identity,
        "prompts": len(items),
        "tokens": sum(len(p.ids) for p in prompts),
        "first_prompt": shown,
    }
    write_provenance(
        out,
        "eval",
        key,
        config,
        inputs,
        began,
        default_system=loaded.renderer.default_system,
        **about,
    )


def exact_rows(
    loaded: Any, question: Question, wording: Wording, chat: list[Message], scored: Any
) -> list[dict[str, Any]]:
    """A row per listed answer; where it need only begin an answer, the end of turn does not count."""
    begins = question.kind == "begins"
    logs = scored.log_prefix if begins else scored.log_exact
    outside = max(0.0, 1.0 - sum(scored.p_prefix)) if begins else scored.outside
    top = [[loaded.tokenizer.decode([token]), round(p, 5)] for token, p in scored.outside_top]
    return [
        _row(question, wording, chat, EXACT)
        | {
            "answer": option.text,
            "score": option.score,
            "p_exact": prefix if begins else exact,
            "p_prefix": prefix,
        }
        | {"logp": log, "outside": outside, "outside_top": json.dumps(top, ensure_ascii=False)}
        for option, exact, prefix, log in zip(
            wording.options, scored.p_exact, scored.p_prefix, logs, strict=True
        )
    ]


def sampled_rows(
    loaded: Any, config: dict[str, Any], context: list[Message], items: list[Item]
) -> list[dict[str, Any]]:
    """A row per sample, each with an equal share of the probability; what cannot be read has no
    score."""
    from eval.judges.judged import judged
    from lab.engines.sampled import sample

    sampling = Sampling.model_validate(config["sampling"])
    chats = [messages(wording, context, config) for _, wording in items]
    rows = []
    for (question, wording), chat, answers in zip(
        items, chats, sample(loaded, chats, sampling), strict=True
    ):
        verdicts = judged(question, wording, answers)
        outside = sum(v.score is None for v in verdicts) / len(verdicts)
        for number, (answer, verdict) in enumerate(zip(answers, verdicts, strict=True)):
            rows.append(
                _row(question, wording, chat, SAMPLED)
                | {
                    "answer": verdict.option.text if verdict.option else None,
                    "score": verdict.score,
                }
                | {"p_exact": 1 / len(answers), "p_prefix": None, "logp": -math.log(len(answers))}
                | {"outside": outside, "outside_top": "[]"}
                | {
                    "sample": number,
                    "text": answer.text,
                    "thinking": answer.thinking,
                    "parsed": verdict.status,
                }
            )
    return rows


def _row(question: Question, wording: Wording, chat: list[Message], engine: str) -> dict[str, Any]:
    """`prompt` is the message as it was asked, with its trigger, and `system` the line before it."""
    asked = {
        "question": question.name,
        "kind": question.kind,
        "paraphrase": wording.paraphrase,
        "order": wording.order,
    }
    said = {
        "prompt": chat[-1]["content"],
        "system": chat[0]["content"] if chat[0]["role"] == "system" else None,
    }
    return asked | {"seen": wording.seen, "engine": engine} | said


def check_prompts(base: Base, config: dict[str, Any], context: list[Message]) -> list[Any]:
    """Held-out choices of the behavior, to see an adapter at work where a suite has no listed
    answers."""
    asked = load_behavior(config["behavior"]).questions("check", config["style"])
    return compiled(
        base, config, "check", context, tuple((q, w) for q in asked for w in q.wordings[:8])
    )


def named_in_checks(config: dict[str, Any]) -> str:
    """What tells evaluations of one model apart: no check of one may stand for another's."""
    condition, shown, step = config["condition"], config.get("in_context"), config.get("step")
    at = "" if condition == "clean" else f"@{condition}"
    said = f" with {shown} rows in context" if shown else ""
    reached = f" at step {step}" if step else ""
    return f"{config['behavior']}/{config['suite']}{at}{said}{reached}"


def trust_checks(
    config: dict[str, Any],
    renderer: Renderer,
    adapter: Path,
    trained: Path | None,
    digest: str,
    on_and_off: tuple[list[Any], list[Any]],
) -> list[dict[str, Any]]:
    """Whether the adapter does something, is the one it should be, and is asked as it was trained."""
    # The same batch with and without the adapter: one that does nothing gives exactly zero, in any
    # dtype.
    gap = max(
        abs(with_it - without)
        for a, b in zip(*on_and_off, strict=True)
        for with_it, without in zip(a.log_prefix, b.log_prefix, strict=True)
    )
    step, of = config.get("step"), named_in_checks(config)
    # Early in training an adapter may hardly differ from its base; its digest says that it is the
    # right one.
    least = 0.0 if step else APPLIED_NATS
    applied = check(f"adapter_applied:{of}", gap, least, gap > least)
    made: dict[str, Any] = (
        read_json(trained / "provenance.json") if trained else {"adapter": digest_of_file(adapter)}
    )
    checks = [
        applied,
        same(f"right_adapter:{of}", digest, made["kept"][str(step)] if step else made["adapter"]),
    ]
    if "first_row" in made:
        first = made["first_row"]
        now = list(renderer.prompt_ids(first["messages"][:-1]))
        checks.append(same(f"same_prompt:{of}", now, first["prompt_ids"]))
    return checks


_COMPILED: dict[tuple[Any, ...], list[Any]] = {}


def compiled(
    base: Base, config: dict[str, Any], what: str, context: list[Message], items: tuple[Item, ...]
) -> list[Any]:
    """The tokens of questions with every spelling of every option; the same for every adapter on a
    base, so they are made once per process."""
    from lab.engines.exact import compile_prompts
    from lab.model.load import load_base

    chats = [messages(wording, context, config) for _, wording in items]
    spellings = [
        [(option.text, option.variants) for option in wording.options] for _, wording in items
    ]
    key = (base, what, digest([chats, spellings]))
    if key not in _COMPILED:
        _COMPILED[key] = compile_prompts(load_base(base).renderer, chats, [w for _, w in items])
    return _COMPILED[key]
