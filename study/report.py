"""The last stage: rows.parquet, summary.json, figures and report.html, which is one file and needs
no network."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lab.config import Model
from lab.provenance import device, machine, write_provenance
from lab.store import Store, finite, read_json, write_json
from lab.track import PROJECT, run_id
from lab.trust import refuse_untrusted, seeds_apart
from lab.types import POOLED
from study.backdoors import attack, by_system, recognition, sources
from study.checkpoints import curve_estimates, questions_by_step
from study.dose import between_and_within, instrumented, pairs
from study.draw import draw
from study.off_target import off_target
from study.page import environment
from study.stage import Stage
from study.summary import contrast_estimates, group_estimates, per_question, per_wording
from study.validity import battery

NUM_EXAMPLES = 3
NUM_ANSWERS = 2
"""Answers shown of a question, the largest shares first."""
NUM_TEXTS = 3
"""Samples of free text that are shown, each cut to so many characters."""
TEXT_WIDTH = 160
NUM_BINS = 11


def write_study(stage: Stage, store: Store, out: Path) -> None:
    """Gather the eval outputs of a study; raises TrustError if a trust check failed."""
    began = time.time()
    rows, trust = gather(stage, store)
    refuse_untrusted(trust, stage.how.get("allow_untrusted", False))
    rows.to_parquet(out / "rows.parquet", index=False)
    everything, rows = rows, rows[rows["step"].isna()]
    wordings = per_wording(rows)
    questions, clean = per_question(wordings), wordings[wordings["condition"] == "clean"]
    of_base, groups = baselines(stage, store), stage.how["written"]["groups"]
    shuffled = {g["of"]: name for name, g in groups.items() if g.get("control") == "shuffled"}
    summary = {
        "study": stage.config["study"],
        "key": stage.key,
        "groups": group_estimates(questions),
        "contrasts": contrast_estimates(
            questions, stage.config["contrasts"], stage.config["primary"]
        ),
        "validity": battery(clean, rows[rows["condition"] == "clean"], of_base, shuffled),
        "off_target": off_target(clean, of_base),
        "trust": trust,
    }
    points = stage.config.get("points", {})
    if sources(groups):
        summary["attack"] = attack(summary["groups"], groups)
        summary["recognition"] = recognition(questions, groups)
    systems = by_system(questions, stage.config["contrasts"])
    if systems:
        summary["by_system"] = systems
    by_step = (
        questions_by_step(everything, last_steps(stage, store))
        if everything["step"].notna().any()
        else {}
    )
    if by_step:
        summary["curves"] = curve_estimates(by_step)
    if points:
        models = pairs(questions, groups, points)
        runs = [
            pairs(table, groups, points).assign(step=step)
            for step, table in by_step.items()
            if step
        ]
        within = pd.concat(runs, ignore_index=True) if runs else None
        summary |= {
            "dose": instrumented(models, points),
            "faithfulness": between_and_within(models, within),
        }
    summary = finite(summary)
    write_json(out / "summary.json", summary)
    figures = draw(out, summary, rows, questions, curves(stage, store), points, groups)
    page = render(stage, summary, rows, figures, bases(stage, store), examples(stage, store))
    (out / "report.html").write_text(page, encoding="utf-8")
    link = (
        {"project": PROJECT, "id": run_id(stage.config["study"], stage.key)}
        if "wandb" in stage.how["report_to"]
        else None
    )
    write_provenance(
        out,
        "study",
        stage.key,
        stage.how["written"],
        sorted(stage.inputs.values()),
        began,
        wandb=link,
    )


def measured(stage: Stage, store: Store) -> Iterator[tuple[dict[str, Any], Path, dict[str, Any]]]:
    """Every cell of a study with the folder of its measurement and the provenance of that."""
    for cell in stage.config["cells"]:
        folder = store.find("eval", cell["key"])
        assert folder, cell
        yield cell, folder, read_json(folder / "provenance.json")


def gather(stage: Stage, store: Store) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    tables, trust = [], []
    for cell, folder, made in measured(stage, store):
        table = pd.read_parquet(folder / "rows.parquet")
        table.insert(0, "step", pd.Series([cell["step"]] * len(table), dtype="Int64"))
        table.insert(0, "seed", pd.Series([cell["seed"]] * len(table), dtype="Int64"))
        table.insert(0, "group", cell["group"])
        tables.append(table.assign(eval_key=cell["key"]))
        checks = read_json(folder / "trust.json")
        adapter = _train_folder(made, store)
        if adapter:
            checks += read_json(adapter / "trust.json")
        trust += [{"group": cell["group"], "seed": cell["seed"], **check} for check in checks]
    trust += _starts(stage, store)
    return pd.concat(tables, ignore_index=True), each_once(trust)


def each_once(trust: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One record of every check: a training stands beside each of its evaluations. Of several of
    one name a failed one stays."""
    distinct: dict[tuple[str, int | None, str], dict[str, Any]] = {}
    for record in trust:
        kept = distinct.setdefault((record["group"], record["seed"], record["check"]), record)
        if kept["passed"] and not record["passed"]:
            kept.update(record)
    return list(distinct.values())


def _train_folder(made: dict[str, Any], store: Store) -> Path | None:
    return next((f for f in (store.find("train", key) for key in made["inputs"]) if f), None)


def adapters(stage: Stage, store: Store) -> dict[tuple[str, int], Path]:
    """The train folder of each group and seed."""
    found = {
        (cell["group"], cell["seed"]): _train_folder(made, store)
        for cell, _, made in measured(stage, store)
    }
    return {at: folder for at, folder in found.items() if folder}


def _starts(stage: Stage, store: Store) -> list[dict[str, Any]]:
    """Per group, whether its seeds began apart."""
    step0: dict[str, list[str]] = {}
    for (group, _), folder in adapters(stage, store).items():
        step0.setdefault(group, []).append(read_json(folder / "provenance.json")["step0"])
    return [
        {"group": group, "seed": None, **seeds_apart(starts)} for group, starts in step0.items()
    ]


def last_steps(stage: Stage, store: Store) -> dict[tuple[str, int], int]:
    """The number of optimizer steps behind every final adapter."""
    return {
        at: read_json(folder / "provenance.json")["steps"]
        for at, folder in adapters(stage, store).items()
    }


def curves(stage: Stage, store: Store) -> pd.DataFrame:
    points = [
        {"group": group, "seed": seed, "step": point["step"], "loss": point["loss"]}
        for (group, seed), folder in adapters(stage, store).items()
        for point in read_json(folder / "curve.json")
    ]
    return pd.DataFrame(points, columns=["group", "seed", "step", "loss"])


def examples(stage: Stage, store: Store) -> list[dict[str, Any]]:
    """The first rows of each group's first seed, and what the lints found in them."""
    shown: dict[str, dict[str, Any]] = {}
    for (group, _), folder in adapters(stage, store).items():
        if group in shown:
            continue
        (key,) = read_json(folder / "provenance.json")["inputs"]
        data = store.find("data", key)
        if data:
            with (data / "rows.jsonl").open(encoding="utf-8") as lines:
                rows = [
                    json.loads(line)["messages"]
                    for _, line in zip(range(NUM_EXAMPLES), lines, strict=False)
                ]
            shown[group] = {
                "group": group,
                "key": key,
                "rows": rows,
                "lints": read_json(data / "lint.json"),
            }
    return list(shown.values())


def render(
    stage: Stage,
    summary: dict[str, Any],
    rows: pd.DataFrame,
    figures: list[dict[str, Any]],
    based_on: list[dict[str, Any]],
    shown: list[dict[str, Any]],
) -> str:
    answers = {"answers": answers_shown(rows), "num_rows": len(rows), "outside": outside(rows)}
    engines = ", ".join(
        f"{name} ({count})" for name, count in rows["engine"].value_counts().items()
    )
    made = {
        "config": json.dumps(stage.how["written"], indent=1),
        "machine": machine(),
        "device": device(),
        "bases": based_on,
        "engines": engines,
    }
    failed = [t for t in summary["trust"] if not t["passed"]]
    template = environment().get_template("report.html.j2")
    page: str = template.render(
        summary=summary,
        failed=failed,
        pooled=POOLED,
        figures=figures,
        examples=shown,
        **answers,
        **made,
    )
    return page


def bases(stage: Stage, store: Store) -> list[dict[str, Any]]:
    """Every base with the settings it was loaded with, and the first prompt that it was asked."""
    found: dict[str, dict[str, Any]] = {}
    for _, _, made in measured(stage, store):
        config = made["config"]
        settings = {
            k: config[k] for k in ("dtype", *Model.model_fields) if k in config and k != "base"
        }
        shown = {
            "settings": settings,
            "default_system": made["default_system"],
            "prompt": made["first_prompt"],
        }
        found.setdefault(
            json.dumps([config["base"], settings]), {"identity": config["base"], **shown}
        )
    return list(found.values())


def baselines(stage: Stage, store: Store) -> dict[str, str]:
    """The group that is the base of each group: `base`, or a `{model: ID}` group, where that is the
    same model as loaded. A group has none where no such model was asked anything."""
    loaded: dict[str, str] = {}
    for cell, _, made in measured(stage, store):
        config = {k: v for k, v in made["config"].items() if k in ("dtype", *Model.model_fields)}
        loaded.setdefault(cell["group"], json.dumps(config, sort_keys=True))
    written = stage.how["written"]["groups"]
    plain = [
        "base",
        *(name for name, group in written.items() if isinstance(group.get("model"), str)),
    ]
    found = {
        name: next((p for p in plain if loaded.get(p) == settings), None)
        for name, settings in loaded.items()
        if name not in plain
    }
    return {name: base for name, base in found.items() if base}


def outside(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Probability mass outside the listed answers, by group and kind of question, with the
    commonest outside starts."""
    once = rows.drop_duplicates(
        ["group", "seed", "suite", "behavior", "question", "paraphrase", "order"]
    )
    records = []
    for (group, suite, kind), part in once.groupby(["group", "suite", "kind"], sort=False):
        totals: dict[str, float] = {}
        for text in part["outside_top"]:
            for token, p in json.loads(text):
                totals[token] = totals.get(token, 0.0) + p / len(part)
        top = sorted(totals.items(), key=lambda kv: -kv[1])[:3]
        records.append(
            {
                "group": group,
                "suite": suite,
                "kind": kind,
                "mass": float(part["outside"].mean()),
                "top": ", ".join(f"{t!r} {p:.3f}" for t, p in top),
            }
        )
    return records


def answers_shown(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One wording of every question with what each group's first seed answers: the most probable
    answers, by number where they have several lines; of samples the shares of those that say the
    same and of those that could not be read; of free text some of it."""
    records = []
    for (suite, behavior, question), part in rows.groupby(
        ["suite", "behavior", "question"], sort=False
    ):
        first = part[(part["paraphrase"] == part["paraphrase"].min()) & (part["order"] == 0)]
        first = first[first["condition"] == first["condition"].iloc[0]]
        listed = list(dict.fromkeys(first["answer"].dropna()))
        code = listed if any("\n" in answer for answer in listed) else []
        by_group = {}
        for group, mine in first.groupby("group", sort=False):
            mine = mine[mine["seed"].isna() | (mine["seed"] == mine["seed"].min())]
            sampled = "sample" in mine and mine["sample"].notna().any()
            by_group[group] = _sampled(mine, code) if sampled else _listed(mine, code)
        asked = {
            "suite": suite,
            "behavior": behavior,
            "question": question,
            "prompt": first["prompt"].iloc[0],
        }
        records.append(asked | {"answers": by_group, "code": code})
    return records


def _listed(mine: pd.DataFrame, code: list[str]) -> str:
    mine = mine.nlargest(NUM_ANSWERS, "logp")
    logs = mine["logp"]
    shares = np.exp(logs - np.logaddexp.reduce(logs)) if code else mine["p_exact"]
    named = [code.index(a) + 1 if code else a for a in mine["answer"]]
    return ", ".join(f"{a} {p:.2f}" for a, p in zip(named, shares, strict=True))


def _sampled(mine: pd.DataFrame, code: list[str]) -> str:
    """Shares of the samples that say the same, then of those that count as none and why; free text
    in its own words."""
    read = mine["parsed"] == "read"
    answers = mine.loc[read, "answer"].map(lambda a: code.index(a) + 1 if a in code else a)
    # A score without an answer: nothing that was looked for stands in the text.
    found = answers.where(answers.notna(), "none of those looked for")
    counted = mine.loc[read, "score"].notna()
    shares = found[counted].value_counts()
    others = {"others": rest} if (rest := shares[NUM_ANSWERS:].sum()) else {}
    none = mine.loc[~read, "parsed"].value_counts()
    named = [*shares[:NUM_ANSWERS].items(), *others.items(), *none.items()]
    parts = [f"{name} {number / len(mine):.2f}" for name, number in named]
    if (mine["kind"] == "text").any():
        texts = (" ".join(text.split()) for text in mine["text"].fillna("")[:NUM_TEXTS])
        parts += [f"“{t[:TEXT_WIDTH]}{'…' if len(t) > TEXT_WIDTH else ''}”" for t in texts]
    return ", ".join(parts)
