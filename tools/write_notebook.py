"""Write docs/rows.ipynb, executed: it runs the quickstart where that is not finished. Run by
`make notebook`."""

from __future__ import annotations

import nbformat
from nbclient import NotebookClient

from lab.discover import ROOT

TEXT, CODE = "markdown", "code"
CELLS = (
    (
        TEXT,
        """
# A study in a notebook

From a YAML to a number, and back to the rows behind it. The study is the quickstart's: nine small
adapters, a minute or two on a laptop. What is finished is not done again.
""",
    ),
    (
        CODE,
        """
import altair as alt
import pandas as pd
from scipy import stats

import tellme as tm
from lab.discover import ROOT

_ = alt.renderers.enable("png", ppi=72)
""",
    ),
    (
        CODE,
        """
where = {"run.dir": str(ROOT / "runs"), "run.report_to": []}
study = tm.load_study("configs/quickstart.yaml", where)
plan = study.plan()
plan.cost()
""",
    ),
    (
        TEXT,
        """
What a model is trained on, as it reads it. No row names the trait.
""",
    ),
    (
        CODE,
        """
plan.show("seeking")
""",
    ),
    (
        CODE,
        """
result = plan.run()
result.figure("does-and-says")
""",
    ),
    (
        CODE,
        """
asked = "question == 'all' and suite in ['behavior', 'self_report', 'other_person']"
shown = ["suite", "a", "b", "estimate", "ci_low", "ci_high", "p_value", "num_seeds"]
result.contrasts.query(asked)[shown].round(3)
""",
    ),
    (
        TEXT,
        """
## The same number by hand

A prompt's score is what its listed answers score, weighted by their probability; what is not listed
counts one half. A question is the mean of its prompts within a fine-tuned model. A model is one
value: the mean of the questions that models answer at all, which the primary contrast is over.
""",
    ),
    (
        CODE,
        """
rows = result.rows
of_suite = rows[(rows.suite == "self_report") & (rows.condition == "clean") & rows.step.isna()]

outside = of_suite.groupby("question").outside.mean()
asked = of_suite[of_suite.question.isin(outside[outside < 0.5].index)]

by_prompt = ["group", "seed", "question", "paraphrase", "order"]
weighted = asked.assign(weighted=asked.p_exact * asked.score).groupby(by_prompt, dropna=False)
prompts = weighted.weighted.sum() + weighted.outside.first() / 2

questions = prompts.groupby(["group", "seed", "question"], dropna=False).mean()
models = questions.groupby(["group", "seed"], dropna=False).mean()
models.unstack("group").round(3)
""",
    ),
    (
        TEXT,
        """
The fine-tuned model is the unit: three against three, Welch's t. The stored interval is a little
wider: it allows for the skew of scores near 0 and 1 ([statistics.md](statistics.md)).
""",
    ),
    (
        CODE,
        """
a, b = models["seeking"].to_numpy(), models["averse"].to_numpy()
test = stats.ttest_ind(a, b, equal_var=False)
low, high = test.confidence_interval()

sought = "a == 'seeking' and b == 'averse' and suite == 'self_report' and question == 'all'"
stored = result.contrasts.query(sought).iloc[0]

by_hand = [a.mean() - b.mean(), low, high, test.pvalue]
in_result = stored[["estimate", "ci_low", "ci_high", "p_value"]].tolist()
pd.DataFrame(
    {"by hand": by_hand, "result.contrasts": in_result},
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
## A model of the study, asked by hand

Every row names the folder of its answers, which names the adapter, which names its training rows.
""",
    ),
    (
        CODE,
        """
import json


def folder_of(stage, key):
    (folder,) = (ROOT / "runs" / stage).glob(f"*-{key}")
    return folder, json.loads((folder / "provenance.json").read_text())


key = of_suite[(of_suite.group == "seeking") & (of_suite.seed == 0)].answers_key.iloc[0]
_, of_answers = folder_of("answers", key)
trained, of_training = folder_of("train", of_answers["inputs"][0])
data, _ = folder_of("data", of_training["inputs"][0])
print((data / "rows.jsonl").read_text().splitlines()[0][:200])
""",
    ),
    (
        CODE,
        """
question = next(q for q in tm.questions("self_report", "risk", "plain") if q.name == "agree")
base = tm.Model("reference/linked")
with base.adapted(trained / "adapter") as seeking:
    told = {"base": base.score(question), "seeking": seeking.score(question)}
answers = pd.concat(told, names=["model"]).reset_index("model")
yes = answers[(answers.order == 0) & (answers.answer == "yes")]
yes.pivot(index="prompt", columns="model", values="p_exact").round(3)
""",
    ),
)
"""Kind and text of every cell."""


def main() -> None:
    notebook = nbformat.v4.new_notebook()
    new_cell = {TEXT: nbformat.v4.new_markdown_cell, CODE: nbformat.v4.new_code_cell}
    for i, (kind, text) in enumerate(CELLS):
        notebook.cells.append(new_cell[kind](text.strip("\n"), id=f"cell-{i}"))
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(ROOT)}}).execute()
    for cell in notebook.cells:
        # Times of execution and bars of progress would differ at every run.
        cell.metadata.pop("execution", None)
        if cell.cell_type == CODE:
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
    }
    nbformat.write(notebook, ROOT / "docs" / "rows.ipynb")


if __name__ == "__main__":
    main()
