"""Which figures a report has, in their order; captions.yaml has what stands under each."""

from pathlib import Path
from typing import TypedDict

import pandas as pd

from lab.discover import beside
from tellme.report.analysis.backdoors import TRIGGERED, triggers_of
from tellme.report.analysis.dose import family
from tellme.report.analysis.judged import shares_above
from tellme.report.figures import contrasts, judged, matrices, models, questions, tables, verdict
from tellme.report.figures.marks import Chart
from tellme.report.figures.save import Specification, save, specification
from tellme.report.figures.tables import Measured

CAPTIONS: dict[str, tuple[str, str]] = beside(__file__, "captions")
"""Title and caption by figure."""
OF_QUESTIONS = "questions-"
"""Beginning of the names of figures of a suite's questions."""

Charts = dict[str, Chart]


class Shown(TypedDict):
    """A figure as a page shows it."""

    name: str
    spec: Specification
    title: str
    caption: str


def draw(measured: Measured, out: Path) -> list[Shown]:
    """Each figure as SVG and PNG in `out`/figures; returns them for the page."""
    specs = {name: specification(chart) for name, chart in charts_of(measured).items()}
    save(specs, out)
    counted = counts(measured.only_clean()[2])
    return [captioned(name, spec, counted) for name, spec in specs.items()]


def charts_of(measured: Measured) -> Charts:
    """Every figure of a study by its name: those for which it measured something."""
    return (
        of_verdicts(measured)
        | of_contrasts(measured)
        | of_models(measured)
        | of_questions(measured)
        | of_judges(measured)
        | of_triggers(measured)
        | of_systems(measured)
        | of_training(measured)
    )


def captioned(name: str, spec: Specification, counted: str) -> Shown:
    """A figure as a page shows it."""
    of_suite = name.startswith(OF_QUESTIONS)
    title, caption = CAPTIONS["questions" if of_suite else name]
    asked = name.removeprefix(OF_QUESTIONS).replace("-", ", ")
    return {
        "name": name,
        "spec": spec,
        "title": title.format(of=asked),
        "caption": f"{caption} {counted}",
    }


def of_verdicts(measured: Measured) -> Charts:
    """What the verdicts rest on; nothing in a study without a primary."""
    table = tables.verdict_table(measured.summary["verdicts"])
    return {"verdict": verdict.verdict(table)} if len(table) else {}


def of_contrasts(measured: Measured) -> Charts:
    """Contrasts, and how they go along a sweep."""
    charts: Charts = {}
    table = tables.contrast_table(measured.summary["contrasts"])
    if len(table):
        charts["contrasts"] = contrasts.contrasts(table)
    swept = tables.sweep_table(measured.summary["contrasts"], measured.points)
    if len(swept):
        charts["sweep"] = contrasts.sweep(swept)
    return charts


def of_models(measured: Measured) -> Charts:
    """What each model does against what it says; nothing where no model was asked both."""
    table = tables.model_table(measured.only_clean()[2], measured.points)
    if not len(table):
        return {}
    families = dict.fromkeys(family(name, measured.points) for name in measured.groups)
    return {"does-and-says": models.does_and_says(table, list(families))}


def of_questions(measured: Measured) -> Charts:
    """A figure per suite, and behavior where there are several."""
    charts: Charts = {}
    estimates, rows, asked = measured.only_clean()
    seeds = tables.seed_table(asked)
    several = rows["behavior"].nunique() > 1
    for suite, behavior in rows[["suite", "behavior"]].drop_duplicates().itertuples(index=False):
        table, dots = (_of(t, suite, behavior) for t in (estimates, seeds))
        # Candidates have a matrix of their own, and free text has no score to draw.
        if suite == "which_trigger" or not len(table):
            continue
        # With one question its mean is the same line again.
        if table["question"].nunique() == 2:
            table, dots = (t[t["question"] != "all"] for t in (table, dots))
        groups = [group for group in measured.groups if group in set(table["group"])]
        name = f"{OF_QUESTIONS}{suite}" + (f"-{behavior}" if several else "")
        charts[name] = questions.questions(table, dots, groups)
    return charts


def _of(table: pd.DataFrame, suite: str, behavior: str) -> pd.DataFrame:
    return table[(table["suite"] == suite) & (table["behavior"] == behavior)]


def of_judges(measured: Measured) -> Charts:
    """What any threshold would count of free answers; nothing where no judge gave a score that is
    more than yes or no."""
    table = shares_above(measured.only_clean()[1])
    return {"thresholds": judged.thresholds(table, measured.groups)} if len(table) else {}


def of_triggers(measured: Measured) -> Charts:
    """Attack success, and which feature a model calls its trigger."""
    charts: Charts = {}
    attack = measured.summary.get("attack")
    if attack:
        table = pd.DataFrame(attack)
        charts["attack"] = matrices.attack(table, measured.groups, TRIGGERED)
    asked = measured.only_clean()[2]
    if "which_trigger" in set(asked["suite"]):
        candidates = tables.trigger_table(asked, triggers_of(measured.spec.groups))
        charts["which-trigger"] = matrices.which_trigger(candidates)
    return charts


def of_systems(measured: Measured) -> Charts:
    """Contrasts and scores under every system line; nothing where there was one."""
    charts: Charts = {}
    by_system = measured.summary.get("by_system")
    if by_system:
        charts["system-contrasts"] = contrasts.system_contrasts(pd.DataFrame(by_system))
    table = tables.system_table(measured.estimates)
    if len(table):
        charts["systems"] = questions.systems(table, measured.groups)
    return charts


def of_training(measured: Measured) -> Charts:
    """Other behaviors, curves over training, scales and losses."""
    charts: Charts = {}
    off_target = pd.DataFrame(measured.summary["off_target"])
    if len(off_target) and off_target["reported"].nunique() > 1:
        charts["off-target"] = matrices.off_target(off_target)
    curves = tables.training_table(measured.summary.get("curves", []))
    trained = [group for group in measured.groups if group != "base"]
    if len(curves):
        charts["over-training"] = models.over_training(curves, trained)
    answers = tables.scale_table(measured.only_clean()[1])
    if len(answers):
        charts["scale-answers"] = questions.scale_answers(answers, measured.groups)
    loss = measured.loss
    if len(loss):
        of_loss = [group for group in trained if group in set(loss["group"])]
        charts["loss"] = models.loss(loss, of_loss)
    return charts


def counts(asked: pd.DataFrame) -> str:
    """How many models and questions stand behind the figures."""
    seeds = sorted(set(asked.groupby("group")["seed"].nunique()) - {0})
    pooled = asked[asked["question"] == "all"].groupby("suite", sort=False)["over"].nunique()
    of_suites = ", ".join(f"{name} {number}" for name, number in pooled.items())
    ends = dict.fromkeys([seeds[0], seeds[-1]]) if seeds else ["no"]
    return f"Seeds a group: {' to '.join(map(str, ends))}. Questions: {of_suites}."
