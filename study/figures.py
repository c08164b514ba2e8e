"""The figures of a report, as Vega-Lite specifications from study/charts/: one source for the
interactive page, SVG and PNG."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined

CHARTS = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("charts")),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
CHARTS.filters["lines"] = lambda table: table.to_json(orient="records", double_precision=15)


def chart(name: str, table: pd.DataFrame | list[dict[str, Any]], **values: Any) -> dict[str, Any]:
    """The specification of the chart study/charts/`name`.json.j2 over the lines of a table."""
    spec: dict[str, Any] = json.loads(
        CHARTS.get_template(f"{name}.json.j2").render(table=pd.DataFrame(table), **values)
    )
    return spec


def save(charts: dict[str, dict[str, Any]], out: Path) -> None:
    """Every chart as SVG and PNG in `out`/figures."""
    (out / "figures").mkdir(exist_ok=True)
    for name, spec in charts.items():
        svg = vl_convert.vegalite_to_svg(spec)
        (out / "figures" / f"{name}.svg").write_text(svg, encoding="utf-8")
        (out / "figures" / f"{name}.png").write_bytes(vl_convert.svg_to_png(svg, ppi=160))


def sweep_table(contrasts: list[dict[str, Any]], points: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """The pooled contrasts of a sweep: swept keys, their values, and the line (contrast and suite)
    each belongs to."""
    records = []
    for c in contrasts:
        label = next((label for label in points if c["a"].endswith(f".{label}")), None)
        if label is None or c["question"] != "all":
            continue
        sides = " \u2212 ".join(c[side].removesuffix(f".{label}") for side in "ab")
        values = (
            [label.split("=")[-1]]
            if len(points[label]) == 1
            else [str(v) for v in points[label].values()]
        )
        swept = {
            "key": ", ".join(points[label]),
            "value": ", ".join(values),
            "line": f"{sides}, {c['suite']}",
            "suite": c["suite"],
        }
        records.append(swept | {k: c[k] for k in ("estimate", "ci_low", "ci_high")})
    return pd.DataFrame(records)


def scale_bins(rows: pd.DataFrame) -> pd.DataFrame:
    """Probability by bin of ten for the first scale of a self-report that has a flipped twin, and
    for the twin."""
    numbers: pd.DataFrame = rows[(rows["kind"] == "number") & (rows["suite"] == "self_report")]
    numbers = numbers[numbers["behavior"] == numbers["behavior"].min()]
    names = list(dict.fromkeys(numbers["question"]))
    pair = next(([n, f"{n}_flipped"] for n in names if f"{n}_flipped" in names), names[:1])
    kept: pd.DataFrame = numbers[numbers["question"].isin(pair) & numbers["answer"].notna()]
    if not len(kept):
        return kept
    kept = kept.assign(
        bin=(kept["answer"].astype(int) // 10) * 10, seed=kept["seed"].astype("float")
    )
    summed = (
        kept.groupby(
            ["group", "seed", "question", "paraphrase", "order", "bin"], dropna=False, sort=False
        )["p_exact"]
        .sum()
        .reset_index()
    )
    mean: pd.DataFrame = (
        summed.groupby(["group", "question", "bin"], sort=False)["p_exact"].mean().reset_index()
    )
    return mean.rename(columns={"p_exact": "probability"})
