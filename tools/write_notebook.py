"""Write docs/rows.ipynb, executed on a finished quickstart. Run by `make notebook`."""

from __future__ import annotations

import nbformat
from nbclient import NotebookClient

from lab.discover import ROOT

TEXT, CODE = "markdown", "code"
CELLS = (
    (
        TEXT,
        """
# From `rows.parquet` to a number

What a study leaves for everybody else is one table. This page reads the quickstart's. Run
`make quickstart` first: it makes the table.
""",
    ),
    (
        CODE,
        """
import json
from pathlib import Path

import altair as alt
import pandas as pd
from scipy import stats

import tellme as tm

_ = alt.renderers.enable("png", ppi=72)
""",
    ),
    (
        CODE,
        """
studies = Path("runs/study").glob("quickstart-*")
study = max(studies, key=lambda folder: folder.stat().st_mtime)
rows = tm.load(study).rows
shown = ["group", "seed", "suite", "question", "paraphrase", "order"]
rows[[*shown, "answer", "score", "p_exact", "outside"]].head()
""",
    ),
    (
        TEXT,
        """
A prompt's score is what its listed answers score on average. A question is the mean of its prompts
within a fine-tuned model. A model is one value: the mean of its questions.
""",
    ),
    (
        CODE,
        """
of_suite = (rows.suite == "self_report") & (rows.condition == "clean")
asked = rows[of_suite & rows.step.isna()]

weighted = asked.assign(weighted=asked.p_exact * asked.score)
by_prompt = ["group", "seed", "question", "paraphrase", "order"]
sums = weighted.groupby(by_prompt, dropna=False)[["weighted", "p_exact"]].sum()
prompts = sums.weighted / sums.p_exact

questions = prompts.groupby(["group", "seed", "question"], dropna=False).mean()
models = questions.groupby(["group", "seed"], dropna=False).mean()
models.unstack("group").round(3)
""",
    ),
    (
        TEXT,
        """
The fine-tuned model is the unit: three against three, Welch's t. The same numbers stand in
`summary.json`.
""",
    ),
    (
        CODE,
        """
a, b = models["seeking"].to_numpy(), models["averse"].to_numpy()
test = stats.ttest_ind(a, b, equal_var=False)
low, high = test.confidence_interval()

summary = json.loads((study / "summary.json").read_text())
sought = {"a": "seeking", "b": "averse", "suite": "self_report", "question": "all"}
(stored,) = (c for c in summary["contrasts"] if sought.items() <= c.items())

by_hand = [a.mean() - b.mean(), low, high, test.pvalue]
in_summary = [stored[key] for key in ("estimate", "ci_low", "ci_high", "p_value")]
pd.DataFrame(
    {"by hand": by_hand, "summary.json": in_summary},
    index=["estimate", "low", "high", "p"],
).round(6)
""",
    ),
    (
        TEXT,
        """
Which questions carry it? A mean that one kind carries is not worth much.
""",
    ),
    (
        CODE,
        """
table = questions.loc[["seeking", "averse"]].rename("score").reset_index()
table["seed"] = table.seed.astype(int)
alt.Chart(table).mark_circle(size=60, opacity=0.7).encode(
    x=alt.X("score:Q", scale=alt.Scale(domain=[0, 1])),
    y=alt.Y("question:N", title=None),
    color="group:N",
    tooltip=["group", "seed", "score"],
).properties(width=420)
""",
    ),
    (
        TEXT,
        """
Every row names the folder of its answers, which names the adapter, which names its training rows.
""",
    ),
    (
        CODE,
        """
def folder_of(stage, key):
    (folder,) = Path(f"runs/{stage}").glob(f"*-{key}")
    return folder, json.loads((folder / "provenance.json").read_text())


key = asked[(asked.group == "seeking") & (asked.seed == 0)].answers_key.iloc[0]
answers, of_answers = folder_of("answers", key)
adapter, of_adapter = folder_of("train", of_answers["inputs"][0])
data, of_data = folder_of("data", of_adapter["inputs"][0])
print(answers, adapter / "adapter", data / "rows.jsonl", sep="\\n")
print((data / "rows.jsonl").read_text().splitlines()[0][:200])
""",
    ),
)
"""Kind and text of every cell."""


def main() -> None:
    notebook = nbformat.v4.new_notebook()
    new_cell = {TEXT: nbformat.v4.new_markdown_cell, CODE: nbformat.v4.new_code_cell}
    for i, (kind, text) in enumerate(CELLS):
        notebook.cells.append(new_cell[kind](text.strip("\n"), id=f"cell-{i}"))
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()
    for cell in notebook.cells:
        # Times of execution would differ at every run.
        cell.metadata.pop("execution", None)
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
    }
    nbformat.write(notebook, ROOT / "docs" / "rows.ipynb")


if __name__ == "__main__":
    main()
