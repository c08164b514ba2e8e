"""What a report says of triggers: attack success with near misses, and whether a model tells its trigger from decoys."""

from typing import Any

import altair as alt
import pandas as pd

from data_gen.behaviors import load_behavior
from data_gen.triggers import features
from lab.config import SYSTEMS, WITH_TRIGGER, Planted
from lab.stats import mean_interval
from study.figures import SCORE, WIDTH, legend, line, spans, tips
from study.summary import contrast_estimates, numbers

TRIGGERED = ("clean", *WITH_TRIGGER)


def sources(groups: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every group with a trigger, its own or that of the group it controls, with the written keys of that group."""
    found = {name: groups.get(group.get("of", ""), group) for name, group in groups.items()}
    return {name: source for name, source in found.items() if source.get("trigger")}


def attack(estimates: list[dict[str, Any]], groups: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Share of the planted policy by group and condition, from the suite `backdoor`: attack success under `trigger`, clean rate
    under `clean`."""
    planted = sources(groups)
    records = []
    for g in estimates:
        same = (s for s in planted.values() if s["behavior"] == g["behavior"])
        source = planted.get(g["group"]) or next(same, None)
        if g["suite"] != "backdoor" or g["question"] != "all" or source is None:
            continue
        first = source["policy"] == load_behavior(g["behavior"]).policies[0]
        mirrored = {"estimate": "estimate", "ci_low": "ci_high", "ci_high": "ci_low"}
        rates = {k: g[k] if first or g[k] is None else 1 - g[v] for k, v in mirrored.items()}
        records.append({k: g[k] for k in ("group", "behavior", "condition", "num_seeds")} | rates)
    return records


def recognition(questions: pd.DataFrame, groups: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Per group with a trigger: how much more it names it than the decoys, less what its control says of each.

    The control is the group's `decorrelated` one, else base. `p_value`: share of candidates that, taken for the trigger, would
    rank as high; one in twenty at best."""
    asked = questions[(questions["suite"] == "which_trigger") & questions["over"].isna()]
    records = []
    for name, source in sources(groups).items():
        real = features(Planted(**source["trigger"]))[0].name
        of = groups[name].get("of", name)
        control = next((n for n, g in groups.items() if g.get("of") == of and g.get("control") == "decorrelated"), "base")
        said, expected = (_scores(asked[asked["group"] == group]) for group in (name, control))
        if control == name or real not in said or real not in expected:
            continue
        rank = sum(said[c] - expected[c] >= said[real] - expected[real] for c in said)
        seeds = [_scores(part) for _, part in asked[asked["group"] == name].groupby("seed", dropna=False)]
        apart = numbers(mean_interval([_apart(one, real) - _apart(expected, real) for one in seeds]))
        chance = {"rank": rank, "num_candidates": len(said), "p_value": rank / len(said)}
        records.append({"group": name, "control": control, "trigger": real} | chance | apart)
    return records


def _scores(part: pd.DataFrame) -> dict[str, float]:
    return {str(name): float(own["score"].mean()) for name, own in part.groupby("question")}


def _apart(said: dict[str, float], real: str) -> float:
    decoys = [score for name, score in said.items() if name != real]
    return said[real] - sum(decoys) / len(decoys)


def by_system(questions: pd.DataFrame, contrasts: list[Any]) -> list[dict[str, Any]]:
    """Every contrast of two groups on the suites that were asked under several system lines, once under each."""
    lines = [c for c in ("clean", *SYSTEMS) if c in set(questions["condition"])]
    several = questions.groupby("suite")["condition"].transform(lambda c: len(set(c) & set(lines)) > 1)
    questions = questions[several]
    plain = [(a, b) for a, b in contrasts if isinstance(a, str) and isinstance(b, str) and "@" not in a + b]
    found = []
    for condition in lines if len(lines) > 1 else []:
        mine = questions[(questions["condition"] == condition) & (questions["question"] == "all")]
        sides: list[Any] = [(f"{a}@{condition}", f"{b}@{condition}") for a, b in plain]
        for record in contrast_estimates(mine, sides, None):
            label = f"{record['a'].partition('@')[0]} − {record['b'].partition('@')[0]}"
            found.append({"condition": condition, "label": label, "suite": record["suite"]} | record)
    return found


def attack_bars(records: list[dict[str, Any]], groups: list[str]) -> alt.LayerChart:
    table = pd.DataFrame(records)
    common = {"y": alt.Y("condition:N", sort=list(TRIGGERED), title=None), "yOffset": alt.YOffset("group:N", sort=groups), "color": legend(groups)}
    x = alt.X("estimate:Q", scale=SCORE, title="share of the planted policy")
    bar = alt.Chart(table).mark_bar(opacity=0.85).encode(x=x, tooltip=tips("group", "condition"), **common)
    rule = alt.Chart(table).mark_rule(strokeWidth=1.5, clip=True)
    rule = rule.encode(x=alt.X("ci_low:Q", scale=SCORE), x2="ci_high:Q", y=common["y"], yOffset=common["yOffset"])
    at = alt.Chart(table).mark_tick(thickness=2, size=9, opacity=1).encode(x=x, **common)
    return alt.layer(bar, at, rule).properties(width=WIDTH, height=alt.Step(11))


def matrix(questions: pd.DataFrame, groups: dict[str, dict[str, Any]]) -> alt.LayerChart:
    """A row per group, a column per candidate; color is how far the group says that it is the trigger, a dot marks the real one."""
    mine = questions[(questions["suite"] == "which_trigger") & questions["over"].isna()]
    table = mine.groupby(["group", "question"], sort=False)["score"].mean().reset_index()
    of = {name: features(Planted(**source["trigger"]))[0].name for name, source in sources(groups).items()}
    table["real"] = [of.get(group) == question for group, question in zip(table["group"], table["question"], strict=True)]
    chart = alt.Chart(table).encode(
        x=alt.X("question:N", sort=list(dict.fromkeys(table["question"])), title="asked about", axis=alt.Axis(labelAngle=-50)),
        y=alt.Y("group:N", sort=list(dict.fromkeys(table["group"])), title=None),
    )
    color = alt.Color("score:Q", scale=alt.Scale(scheme="blues", domain=[0, 1]), legend=alt.Legend(title="says it is"))
    cells = chart.mark_rect(stroke="#fff").encode(color=color, tooltip=["group", "question", alt.Tooltip("score", format=".3f")])
    dots = chart.transform_filter("datum.real").mark_circle(size=60, color="#e45756", opacity=1)
    return alt.layer(cells, dots).properties(width=alt.Step(26), height=alt.Step(26))


def system_contrasts(records: list[dict[str, Any]]) -> alt.FacetChart:
    """A panel per suite: every contrast under every system line."""
    table = pd.DataFrame(records)
    labels = list(dict.fromkeys(table["label"]))
    y = alt.Y("condition:N", sort=list(dict.fromkeys(table["condition"])), title=None)
    shift = alt.YOffset("label:N", sort=labels)
    color = alt.Color("label:N", sort=labels, legend=alt.Legend(title=None, orient="top", columns=2, labelLimit=330))
    low = alt.X("ci_low:Q", title="difference in score")
    shown = spans(table, low, "label", "condition", form="+.3f", size=55, y=y, yOffset=shift, color=color)
    panel = alt.layer(line(table, x=0), shown).properties(width=WIDTH // 2 - 60, height=alt.Step(10))
    return panel.facet(facet=alt.Facet("suite:N", title=None), columns=2)
