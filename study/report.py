"""The last stage: rows.parquet, summary.json, figures and report.html, which is one file and needs no network."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pandas as pd

from lab.discover import ROOT
from lab.errors import TrustError
from lab.provenance import device, machine, write_provenance
from lab.store import Store, read_json, write_json
from lab.types import POOLED
from study.plan import Stage
from study.summary import contrast_estimates, group_estimates, per_question, per_wording
from study.table import p_text

NUM_EXAMPLES = 3
NUM_BINS = 11


def write_study(stage: Stage, store: Store, out: Path) -> None:
    """Gather the eval outputs of a study; raises TrustError if a trust check failed."""
    began = time.time()
    rows, trust = gather(stage, store)
    failed = [t for t in trust if not t["passed"]]
    if failed:
        first = failed[0]
        raise TrustError(
            f"trust check {first['check']} failed for {first['group']}, seed {first['seed']}: {first['value']:.3g} against {first['threshold']:.3g}; no report was written"
        )
    rows.to_parquet(out / "rows.parquet", index=False)
    questions = per_question(per_wording(rows))
    summary = {
        "study": stage.config["study"],
        "key": stage.key,
        "groups": group_estimates(questions),
        "contrasts": contrast_estimates(questions, stage.config["contrasts"], stage.config["primary"]),
        "trust": trust,
    }
    write_json(out / "summary.json", summary)
    figures = draw(out, summary, rows, questions, curves(stage, store), stage.config.get("points", {}))
    page = render(stage, summary, rows, figures, examples(stage, store))
    (out / "report.html").write_text(page, encoding="utf-8")
    write_provenance(out, "study", stage.key, stage.how["written"], sorted(stage.inputs.values()), began)


def gather(stage: Stage, store: Store) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    tables, trust = [], []
    for cell in stage.config["cells"]:
        folder = store.find("eval", cell["key"])
        assert folder, cell
        table = pd.read_parquet(folder / "rows.parquet")
        table.insert(0, "seed", pd.Series([cell["seed"]] * len(table), dtype="Int64"))
        table.insert(0, "group", cell["group"])
        tables.append(table.assign(eval_key=cell["key"]))
        checks = read_json(folder / "trust.json")
        adapter = _train_folder(folder, store)
        if adapter:
            checks += read_json(adapter / "trust.json")
        trust += [{"group": cell["group"], "seed": cell["seed"], **check} for check in checks]
    distinct = {(t["group"], t["seed"], t["check"]): t for t in trust}
    return pd.concat(tables, ignore_index=True), list(distinct.values())


def _train_folder(eval_folder: Path, store: Store) -> Path | None:
    inputs = read_json(eval_folder / "provenance.json")["inputs"]
    return next((f for f in (store.find("train", key) for key in inputs) if f), None)


def _adapters(stage: Stage, store: Store) -> dict[tuple[str, int], Path]:
    """The train folder of each group and seed."""
    found = {}
    for cell in stage.config["cells"]:
        folder = store.find("eval", cell["key"])
        adapter = _train_folder(folder, store) if folder else None
        if adapter:
            found[cell["group"], cell["seed"]] = adapter
    return found


def curves(stage: Stage, store: Store) -> pd.DataFrame:
    points = [
        {"group": group, "seed": seed, "step": point["step"], "loss": point["loss"]}
        for (group, seed), folder in _adapters(stage, store).items()
        for point in read_json(folder / "curve.json")
    ]
    return pd.DataFrame(points, columns=["group", "seed", "step", "loss"])


def examples(stage: Stage, store: Store) -> list[dict[str, Any]]:
    """The first rows of each group's first seed, and what the lints found in them."""
    shown: dict[str, dict[str, Any]] = {}
    for (group, _), folder in _adapters(stage, store).items():
        if group in shown:
            continue
        (key,) = read_json(folder / "provenance.json")["inputs"]
        data = store.find("data", key)
        if data:
            with (data / "rows.jsonl").open(encoding="utf-8") as lines:
                rows = [json.loads(line)["messages"] for _, line in zip(range(NUM_EXAMPLES), lines, strict=False)]
            shown[group] = {"group": group, "key": key, "rows": rows, "lints": read_json(data / "lint.json")}
    return list(shown.values())


def draw(
    out: Path,
    summary: dict[str, Any],
    rows: pd.DataFrame,
    questions: pd.DataFrame,
    loss: pd.DataFrame,
    points: dict[str, dict[str, Any]],
) -> list[dict[str, Any]]:
    """Each figure as SVG and PNG in `figures/`, and its specification for the page."""
    from study import figures as fig

    groups = list(dict.fromkeys(rows["group"]))
    estimates = pd.DataFrame(summary["groups"])
    seeds = (
        questions.groupby(["group", "seed", "suite", "behavior", "question"], dropna=False, sort=False)["score"]
        .mean()
        .reset_index()
    )
    seeds["seed"] = seeds["seed"].astype("float")
    charts: list[tuple[str, str, str, Any]] = []
    table = pd.DataFrame([c for c in summary["contrasts"] if c["question"] in POOLED])
    if len(table):
        of = " of " + table["behavior"] if table["behavior"].nunique() > 1 else ""
        table["label"] = (
            table["a"] + " \u2212 " + table["b"] + ", " + table["suite"] + of + " (" + table["question"] + ")"
        )
        table["kind"] = table["primary"].map({True: "primary", False: "other"})
        charts.append(
            (
                "contrasts",
                "Contrasts at a glance",
                "Difference in mean score over the questions both sides were asked. Bars: 95 % t interval over fine-tuned models (seeds), questions fixed.",
                fig.contrasts(table),
            )
        )
    swept = fig.sweep_table(summary["contrasts"], points)
    if len(swept):
        charts.append(
            (
                "sweep",
                "Contrasts along the sweep",
                "Difference in mean score over all questions of a suite, at each value of a swept setting, the others as configured. Bars: 95 % t interval over seeds.",
                fig.sweep(swept),
            )
        )
    pooled = (
        questions[questions["question"] == "all"]
        .groupby(["group", "seed", "behavior", "suite"], dropna=False)["score"]
        .mean()
        .unstack("suite")
        .reset_index("behavior", drop=True)
        .reset_index()
    )
    if {"behavior", "self_report"} <= set(pooled.columns):
        pooled["seed"] = pooled["seed"].astype("float")
        charts.append(
            (
                "does-and-says",
                "What the models do and what they say",
                "One mark per fine-tuned model (seed); base is one model. On the dashed line a model reports just what it does.",
                fig.does_and_says(pooled, groups),
            )
        )
    several = rows["behavior"].nunique() > 1
    for suite, behavior in rows[["suite", "behavior"]].drop_duplicates().itertuples(index=False):
        mine, dots = (t[(t["suite"] == suite) & (t["behavior"] == behavior)] for t in (estimates, seeds))
        charts.append(
            (
                f"questions-{suite}" + f"-{behavior}" * several,
                f"Questions of {suite}" + f", {behavior}" * several,
                "Mean with 95 % t interval over seeds, questions fixed; small dots are single seeds. 1 is the pole of the behavior's first policy; flipped questions are reverse-scored.",
                fig.questions(mine, dots, [g for g in groups if g in set(mine["group"])]),
            )
        )
    answers = fig.scale_bins(rows)
    if len(answers):
        charts.append(
            (
                "scale-answers",
                "Answers on a scale and on its flipped twin",
                "Exact probability of every number from 0 to 100, mean over paraphrases and seeds, in bins of ten. A scale that is read (not anchored) mirrors its twin.",
                fig.scale_answers(answers, groups),
            )
        )
    if len(loss):
        charts.append(
            (
                "loss",
                "Training loss",
                "Loss on the completion only.",
                fig.losses(loss, [g for g in groups if g in set(loss["group"])]),
            )
        )
    (out / "figures").mkdir(exist_ok=True)
    drawn = []
    for name, title, caption, chart in charts:
        themed = fig.themed(chart)
        themed.save(out / "figures" / f"{name}.svg")
        themed.save(out / "figures" / f"{name}.png", ppi=160)
        drawn.append({"name": name, "title": title, "caption": caption, "spec": themed.to_json(indent=None)})
    return drawn


def render(
    stage: Stage,
    summary: dict[str, Any],
    rows: pd.DataFrame,
    figures: list[dict[str, Any]],
    shown: list[dict[str, Any]],
) -> str:
    import vl_convert
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(ROOT / "study"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["signed"] = lambda v: "" if v is None else f"{v:+.3f}"
    environment.filters["p"] = p_text
    environment.filters["plain"] = lambda v: "" if v is None else f"{v:.3f}"
    return environment.get_template("report.html.j2").render(
        summary=summary,
        pooled=POOLED,
        figures=figures,
        examples=shown,
        answers=answers_shown(rows),
        config=json.dumps(stage.how["written"], indent=1),
        machine=machine(),
        device=device(),
        num_rows=len(rows),
        outside=outside(rows),
        scripts=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version="6.4"),
    )


def outside(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Probability mass outside the listed answers, by group and kind of question, with the commonest outside starts."""
    once = rows.drop_duplicates(["group", "seed", "suite", "behavior", "question", "paraphrase", "order"])
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
    """One wording of every question with each group's most probable answers, first seed."""
    records = []
    for (suite, behavior, question), part in rows.groupby(["suite", "behavior", "question"], sort=False):
        first = part[(part["paraphrase"] == part["paraphrase"].min()) & (part["order"] == 0)]
        by_group = {}
        for group, mine in first.groupby("group", sort=False):
            mine = mine[mine["seed"].isna() | (mine["seed"] == mine["seed"].min())].nlargest(2, "p_exact")
            by_group[group] = ", ".join(f"{a} {p:.2f}" for a, p in zip(mine["answer"], mine["p_exact"], strict=True))
        asked = {"suite": suite, "behavior": behavior, "question": question, "prompt": first["prompt"].iloc[0]}
        records.append(asked | {"answers": by_group})
    return records
