"""`tellme report A B C`: the contrasts that finished studies share, side by side and pooled with
the base as cluster."""

import math
import time
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from lab.errors import UserError
from lab.store.provenance import machine, write_provenance
from lab.store.rows import load
from lab.store.store import Store, make_key, read_json, write_json
from tellme.report.figures import contrasts as figures
from tellme.report.figures.save import save, specification
from tellme.report.pages.page import environment

VERSION = 2
FEWEST_BASES = 3
"""Fewest bases for an interval over bases: two differ by one number."""
BOTH = " and "
"""Between the names of bases where the sides of a contrast have different ones."""


def compare(folders: list[Path]) -> Path:
    """Write `compare.json`, the forest plot and `compare.html` into runs/compare/ beside the first
    study; returns that folder.

    Raises UserError where a study is given twice or the studies share no contrast."""
    began = time.time()
    studies = [_study(folder) for folder in folders]
    keys = [study["key"] for study in studies]
    twice = [key for key, number in Counter(keys).items() if number > 1]
    if twice:
        raise UserError(
            f"study {twice[0]!r} is given {keys.count(twice[0])} times; name each finished study"
            " once"
        )
    _label(studies)
    shared = shared_contrasts(studies)
    if not shared:
        raise UserError(
            f"studies {', '.join(keys)} share no contrast (suite, behavior and both sides); `tellme"
            " report` on each shows what it has"
        )
    found = {
        "studies": [{k: s[k] for k in ("key", "label", "base")} for s in studies],
        "contrasts": shared,
        "warnings": dependent(studies),
    }
    store = Store(folders[0].parents[1])
    key = make_key("compare", VERSION, [], sorted(keys))

    def write(out: Path) -> None:
        write_json(out / "compare.json", found)
        spec = forest(shared)
        save({"forest": spec}, out)
        page = environment().get_template("compare.html.j2")
        text = page.render(found=found, spec=spec, machine=machine())
        (out / "compare.html").write_text(text, encoding="utf-8")
        write_provenance(out, "compare", key, {"studies": keys}, keys, began)

    return store.publish(
        "compare", "-".join(dict.fromkeys(s["study"] for s in studies))[:60], key, write
    )


def _study(folder: Path) -> dict[str, Any]:
    summary, written = (
        read_json(folder / "summary.json"),
        read_json(folder / "provenance.json")["config"],
    )
    trained = load(folder).query("group != 'base'")
    return {
        "folder": folder,
        "study": summary["study"],
        "key": f"{summary['study']}-{summary['key']}",
        "base": str(written["model"]["base"]),
        "bases": bases_of(written),
        "settings": _flat(
            {k: v for k, v in written.items() if k not in ("groups", "contrasts", "primary")}
        ),
        "contrasts": [c for c in summary["contrasts"] if c["question"] == "all"],
        "models": set(trained["eval_key"]),
    }


def bases_of(written: dict[str, Any]) -> dict[str, str]:
    """The model that each group was trained on, or is, by the name that the study gives it."""
    groups = written["groups"]
    found = {"base": str(written["model"]["base"])}
    for name, group in groups.items():
        # A control is trained on the base of the group that it controls, unless it says otherwise.
        model = group.get("model") or groups.get(group.get("of"), {}).get("model") or {}
        found[name] = model if isinstance(model, str) else str(model.get("base", found["base"]))
    return found


def base_of_contrast(contrast: dict[str, Any], bases: dict[str, str]) -> str:
    """The base that the sides of a contrast share; the names of all where they have several."""
    sides = [side for key in "ab" for side in contrast[key].split(" - ")]
    return BOTH.join(sorted({bases[side.partition("@")[0]] for side in sides}))


def _short(base: str) -> str:
    """A base without its owner or folder."""
    return BOTH.join(name.rpartition("/")[2] for name in base.split(BOTH))


def _flat(mapping: dict[str, Any], before: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in mapping.items():
        found |= (
            _flat(value, f"{before}{key}.")
            if isinstance(value, dict)
            else {f"{before}{key}": str(value)}
        )
    return found


def _label(studies: list[dict[str, Any]]) -> None:
    """A study's label is what it has and another has not: the settings whose values differ, else
    its key."""
    names = sorted({name for s in studies for name in s["settings"]} - {"model.base"})
    apart = [n for n in names if len({s["settings"].get(n) for s in studies}) > 1]
    for s in studies:
        parts = [
            f"{name.rpartition('.')[2]} {s['settings'].get(name, 'default')}" for name in apart
        ]
        s["label"] = ", ".join(parts) or _short(s["base"])
    for label, number in Counter((s["label"], s["base"]) for s in studies).items():
        for s in studies if number > 1 else []:
            s["label"] = s["key"] if (s["label"], s["base"]) == label else s["label"]


def shared_contrasts(studies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Contrasts that at least two studies have, primary ones first, each with its studies and the
    pooled estimate. A study stands under the base that the groups of its contrast were trained on,
    which may not be the study's own."""
    lines: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for study in studies:
        for c in study["contrasts"]:
            kept = (
                "estimate",
                "ci_low",
                "ci_high",
                "standard_error",
                "num_seeds",
                "num_questions",
                "primary",
            )
            base, label = base_of_contrast(c, study["bases"]), study["label"]
            if base != study["base"] and label == _short(study["base"]):
                label = study["key"]
            line = {"study": study["key"], "label": label, "base": base}
            line |= {k: c.get(k) for k in kept}
            lines.setdefault((c["suite"], c["behavior"], c["a"], c["b"]), []).append(line)
    found: list[dict[str, Any]] = []
    for names, mine in lines.items():
        if len(mine) > 1:
            named = dict(zip(("suite", "behavior", "a", "b"), names, strict=True))
            found.append(
                {
                    **named,
                    "studies": sorted(mine, key=lambda s: str(s["base"])),
                    "pooled": pooled(mine),
                }
            )
    return sorted(found, key=lambda c: not any(s["primary"] for s in c["studies"]))


def pooled(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Random-effects estimate over bases with a modified Hartung-Knapp interval (Roever et al.
    2015, doi:10.1186/s12874-015-0091-1), which never claims more than the studies' own errors
    allow.

    Studies on one base are one cluster, and contrasts between the same two bases another: their
    plain mean enters. The interval is None with fewer than FEWEST_BASES clusters, or where a study
    has no standard error. `tau` is the standard deviation of the effect between bases, and the
    prediction interval is for a further base (Higgins et al. 2009)."""
    import numpy as np
    from scipy import stats
    from statsmodels.stats.meta_analysis import combine_effects

    bases: dict[str, list[dict[str, Any]]] = {}
    for one in lines:
        bases.setdefault(one["base"], []).append(one)
    effects = [sum(s["estimate"] for s in mine) / len(mine) for mine in bases.values()]
    errors = [s["standard_error"] for s in lines]
    record: dict[str, Any] = {
        "num_bases": len(bases),
        "num_studies": len(lines),
        "ci_low": None,
        "ci_high": None,
    }
    record |= {"tau": None, "prediction_low": None, "prediction_high": None}
    if len(bases) < FEWEST_BASES or None in errors:
        return record | {"estimate": sum(effects) / len(effects)}
    variances = [
        sum(s["standard_error"] ** 2 for s in mine) / len(mine) ** 2 for mine in bases.values()
    ]
    fit = combine_effects(
        np.array(effects),
        np.array([max(v, 1e-12) for v in variances]),
        method_re="iterated",
        use_t=True,
    )
    error = max(float(fit.sd_eff_w_re), float(fit.sd_eff_w_re_hksj))
    margin = float(stats.t.ppf(0.975, len(bases) - 1)) * error
    spread = float(stats.t.ppf(0.975, len(bases) - 2)) * math.sqrt(fit.tau2 + error**2)
    estimate = float(fit.mean_effect_re)
    margins = {
        "ci_low": estimate - margin,
        "ci_high": estimate + margin,
        "prediction_low": estimate - spread,
        "prediction_high": estimate + spread,
    }
    return record | {"estimate": estimate, "tau": math.sqrt(fit.tau2)} | margins


def dependent(studies: list[dict[str, Any]]) -> list[str]:
    """A line for every two studies that measured the same fine-tuned models: they are not
    independent."""
    pairs = [(a, b, len(a["models"] & b["models"])) for a, b in combinations(studies, 2)]
    return [
        f"warning: {a['key']} and {b['key']} share measurements of fine-tuned models ({number});"
        " they are not independent"
        for a, b, number in pairs
        if number
    ]


def forest(contrasts: list[dict[str, Any]]) -> dict[str, Any]:
    """A panel per contrast: every study with its interval, and the pooled estimate below as a
    diamond."""
    records = []
    for c in contrasts:
        panel = f"{c['a']} \u2212 {c['b']}, {c['suite']} of {c['behavior']}"
        lines = [
            *c["studies"],
            c["pooled"] | {"label": "all", "base": f"{c['pooled']['num_bases']} bases"},
        ]
        for one in lines:
            name = _short(one["base"])
            row = name if one["label"] == name else f"{name}, {one['label']}"
            kind = "pooled" if one["label"] == "all" else "study"
            records.append(
                {
                    "panel": panel,
                    "row": row,
                    "kind": kind,
                    **{k: one[k] for k in ("estimate", "ci_low", "ci_high")},
                }
            )
    return specification(figures.forest(pd.DataFrame(records)))
