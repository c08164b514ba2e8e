"""Which contrasts do several finished studies share, on which bases, and are they independent?"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TypedDict

from lab.store.rows import load
from lab.store.store import read_json
from lab.table import Bounds
from tellme.report.analysis.contrasts import ContrastRecord
from tellme.report.analysis.pooling import Line, Pooled, pooled
from tellme.report.analysis.summary import read_summary

BOTH = " and "
"""Between the names of bases where the sides of a contrast have different ones."""
NO_SETTINGS = ("groups", "contrasts", "primary")
"""Parts of a study as written that say what is compared, not how."""


@dataclass(frozen=True)
class Compared:
    """A finished study, as far as a comparison reads it."""

    study: str
    key: str
    """Study and key of its folder."""
    base: str
    bases: dict[str, str]
    """The base of every group (`bases_of`)."""
    settings: dict[str, str]
    """As written, by dotted key."""
    contrasts: list[ContrastRecord]
    """Those over all questions of a suite."""
    models: set[str]
    """Keys of the answers of its fine-tuned models."""
    label: str = ""
    """What it has and another has not."""


class StudyLine(Line, Bounds):
    """A contrast as one study has it."""

    study: str
    label: str
    num_seeds: int
    num_questions: int
    primary: bool


class SharedContrast(TypedDict):
    """A contrast that several studies have."""

    suite: str
    behavior: str
    a: str
    b: str
    studies: list[StudyLine]
    pooled: Pooled


class Label(TypedDict):
    """A study of a comparison."""

    key: str
    label: str
    base: str


class Comparison(TypedDict):
    """What `compare.json` has."""

    studies: list[Label]
    contrasts: list[SharedContrast]
    warnings: list[str]


class WrittenGroup(TypedDict, total=False):
    """What a comparison reads of a group as written."""

    model: str | Mapping[str, object]
    """A model as it is, or what differs from the study's."""
    of: str


class Written(TypedDict):
    """What a comparison reads of a study as written, beside its settings."""

    model: dict[str, object]
    groups: dict[str, WrittenGroup]


def read_study(folder: Path) -> Compared:
    """A study from its last folder; it has no label yet."""
    summary = read_summary(folder)
    written: Written = read_json(folder / "provenance.json")["written"]
    trained = load(folder).query("group != 'base'")
    settings = {key: value for key, value in written.items() if key not in NO_SETTINGS}
    return Compared(
        study=summary["study"],
        key=f"{summary['study']}-{summary['key']}",
        base=str(written["model"]["base"]),
        bases=bases_of(written),
        settings=_flat(settings),
        contrasts=[c for c in summary["contrasts"] if c["question"] == "all"],
        models=set(trained["answers_key"]),
    )


def bases_of(written: Written) -> dict[str, str]:
    """The model that each group was trained on, or is, by the name that the study gives it."""
    groups = written["groups"]
    of_study = str(written["model"]["base"])
    bases = {"base": of_study}
    for name, group in groups.items():
        # A control is trained on the base of the group that it controls, unless it says otherwise.
        while not group.get("model") and group.get("of") in groups:
            group = groups[group["of"]]
        model = group.get("model") or {}
        bases[name] = model if isinstance(model, str) else str(model.get("base", of_study))
    return bases


def base_of_contrast(contrast: ContrastRecord, bases: dict[str, str]) -> str:
    """The base that the sides of a contrast share; the names of all where they have several."""
    sides = [side for both in (contrast["a"], contrast["b"]) for side in both.split(" - ")]
    return BOTH.join(sorted({bases[side.partition("@")[0]] for side in sides}))


def short(base: str) -> str:
    """A base without its owner or folder."""
    return BOTH.join(name.rpartition("/")[2] for name in base.split(BOTH))


def _flat(mapping: Mapping[str, object], before: str = "") -> dict[str, str]:
    """Values of nested mappings as text, by dotted key."""
    settings: dict[str, str] = {}
    for key, value in mapping.items():
        if isinstance(value, dict):
            settings |= _flat(value, f"{before}{key}.")
        else:
            settings[f"{before}{key}"] = str(value)
    return settings


def labeled(studies: list[Compared]) -> list[Compared]:
    """The studies with their labels: the settings whose values differ between them, else the base;
    the key where two studies on one base would have the same label."""
    names = sorted({name for study in studies for name in study.settings} - {"model.base"})
    differ = [name for name in names if len({s.settings.get(name) for s in studies}) > 1]
    named = [replace(study, label=_label(study, differ)) for study in studies]
    counts = Counter((study.label, study.base) for study in named)
    return [
        replace(study, label=study.key) if counts[study.label, study.base] > 1 else study
        for study in named
    ]


def _label(study: Compared, settings: list[str]) -> str:
    values = [
        f"{name.rpartition('.')[2]} {study.settings.get(name, 'default')}" for name in settings
    ]
    return ", ".join(values) or short(study.base)


def shared_contrasts(studies: list[Compared]) -> list[SharedContrast]:
    """Contrasts that at least two studies have, primary ones first, each with its studies and the
    pooled estimate. A study stands under the base that the groups of its contrast were trained on,
    which may not be the study's own."""
    lines: dict[tuple[str, str, str, str], list[StudyLine]] = {}
    for study in studies:
        for contrast in study.contrasts:
            named = contrast["suite"], contrast["behavior"], contrast["a"], contrast["b"]
            lines.setdefault(named, []).append(_line(study, contrast))
    shared = []
    for (suite, behavior, a, b), own in lines.items():
        if len(own) < 2:
            continue
        record: SharedContrast = {
            "suite": suite,
            "behavior": behavior,
            "a": a,
            "b": b,
            "studies": sorted(own, key=lambda line: line["base"]),
            "pooled": pooled(own),
        }
        shared.append(record)
    return sorted(shared, key=lambda c: not any(line["primary"] for line in c["studies"]))


def _line(study: Compared, contrast: ContrastRecord) -> StudyLine:
    """A study's line under a contrast."""
    base, label = base_of_contrast(contrast, study.bases), study.label
    # A label that is the study's base would name the wrong one.
    if base != study.base and label == short(study.base):
        label = study.key
    return {
        "study": study.key,
        "label": label,
        "base": base,
        "estimate": contrast["estimate"],
        "ci_low": contrast["ci_low"],
        "ci_high": contrast["ci_high"],
        "standard_error": contrast["standard_error"],
        "num_seeds": contrast["num_seeds"],
        "num_questions": contrast["num_questions"],
        "primary": contrast["primary"],
    }


def dependent(studies: list[Compared]) -> list[str]:
    """A line for every two studies that measured the same fine-tuned models: they are not
    independent."""
    warnings = []
    for one, other in combinations(studies, 2):
        number = len(one.models & other.models)
        if number:
            warnings.append(
                f"warning: {one.key} and {other.key} share measurements of fine-tuned models"
                f" ({number}); they are not independent"
            )
    return warnings
