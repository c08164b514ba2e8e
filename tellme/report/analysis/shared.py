"""Which contrasts do several finished studies share, on which bases, and are they independent?"""

from collections import Counter
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from lab.store.rows import load
from lab.store.store import read_json
from tellme.report.analysis.pooling import pooled

BOTH = " and "
"""Between the names of bases where the sides of a contrast have different ones."""
KEPT = (
    "estimate",
    "ci_low",
    "ci_high",
    "standard_error",
    "num_seeds",
    "num_questions",
    "primary",
)
"""Of a contrast, in a comparison."""
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
    contrasts: list[dict[str, Any]]
    """Those over all questions of a suite."""
    models: set[str]
    """Keys of the measurements of its fine-tuned models."""
    label: str = ""
    """What it has and another has not."""


def read_study(folder: Path) -> Compared:
    """A study from its last folder; it has no label yet."""
    summary = read_json(folder / "summary.json")
    written = read_json(folder / "provenance.json")["config"]
    trained = load(folder).query("group != 'base'")
    settings = {key: value for key, value in written.items() if key not in NO_SETTINGS}
    return Compared(
        study=summary["study"],
        key=f"{summary['study']}-{summary['key']}",
        base=str(written["model"]["base"]),
        bases=bases_of(written),
        settings=_flat(settings),
        contrasts=[c for c in summary["contrasts"] if c["question"] == "all"],
        models=set(trained["eval_key"]),
    )


def bases_of(written: dict[str, Any]) -> dict[str, str]:
    """The model that each group was trained on, or is, by the name that the study gives it."""
    groups = written["groups"]
    of_study = str(written["model"]["base"])
    bases = {"base": of_study}
    for name, group in groups.items():
        # A control is trained on the base of the group that it controls, unless it says otherwise.
        model = group.get("model") or groups.get(group.get("of"), {}).get("model") or {}
        bases[name] = model if isinstance(model, str) else str(model.get("base", of_study))
    return bases


def base_of_contrast(contrast: dict[str, Any], bases: dict[str, str]) -> str:
    """The base that the sides of a contrast share; the names of all where they have several."""
    sides = [side for key in ("a", "b") for side in contrast[key].split(" - ")]
    return BOTH.join(sorted({bases[side.partition("@")[0]] for side in sides}))


def short(base: str) -> str:
    """A base without its owner or folder."""
    return BOTH.join(name.rpartition("/")[2] for name in base.split(BOTH))


def _flat(mapping: dict[str, Any], before: str = "") -> dict[str, str]:
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


def shared_contrasts(studies: list[Compared]) -> list[dict[str, Any]]:
    """Contrasts that at least two studies have, primary ones first, each with its studies and the
    pooled estimate. A study stands under the base that the groups of its contrast were trained on,
    which may not be the study's own."""
    lines: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for study in studies:
        for contrast in study.contrasts:
            named = tuple(contrast[key] for key in ("suite", "behavior", "a", "b"))
            lines.setdefault(named, []).append(_line(study, contrast))
    shared = []
    for (suite, behavior, a, b), own in lines.items():
        if len(own) < 2:
            continue
        record = {
            "suite": suite,
            "behavior": behavior,
            "a": a,
            "b": b,
            "studies": sorted(own, key=lambda line: str(line["base"])),
            "pooled": pooled(own),
        }
        shared.append(record)
    return sorted(shared, key=lambda c: not any(line["primary"] for line in c["studies"]))


def _line(study: Compared, contrast: dict[str, Any]) -> dict[str, Any]:
    """A study's line under a contrast."""
    base, label = base_of_contrast(contrast, study.bases), study.label
    # A label that is the study's base would name the wrong one.
    if base != study.base and label == short(study.base):
        label = study.key
    numbers = {key: contrast.get(key) for key in KEPT}
    return {"study": study.key, "label": label, "base": base, **numbers}


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
