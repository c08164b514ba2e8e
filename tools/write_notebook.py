"""Write docs/rows.ipynb, executed on a finished quickstart. Run by `make notebook`."""

from __future__ import annotations

import nbformat
from nbclient import NotebookClient

from lab.discover import ROOT

CELLS = [
    ("markdown", "# From `rows.parquet` to a number\n\nWhat a study leaves for everybody else is one table. This page reads the quickstart's (`make quickstart` makes it)."),
    ("code", "import json\nfrom pathlib import Path\n\nimport altair as alt\nimport pandas as pd\nfrom scipy import stats\n\nimport lab\n\n_ = alt.renderers.enable(\"png\", ppi=72)"),
    ("code", "study = sorted(Path(\"runs/study\").glob(\"quickstart-*\"), key=lambda p: p.stat().st_mtime)[-1]\nrows = lab.load(study)\nrows[[\"group\", \"seed\", \"suite\", \"question\", \"paraphrase\", \"order\", \"answer\", \"score\", \"p_exact\", \"outside\"]].head()"),
    ("markdown", "A prompt's score is what its listed answers score on average; a question is the mean of its prompts within a fine-tuned model, and a model is one value: the mean of its questions."),
    ("code", "asked = rows[(rows.suite == \"self_report\") & (rows.condition == \"clean\") & rows.step.isna()]\nsums = asked.assign(s=asked.p_exact * asked.score)\nprompts = sums.groupby([\"group\", \"seed\", \"question\", \"paraphrase\", \"order\"], dropna=False)[[\"s\", \"p_exact\"]].sum()\nquestions = (prompts.s / prompts.p_exact).groupby([\"group\", \"seed\", \"question\"], dropna=False).mean()\nmodels = questions.groupby([\"group\", \"seed\"], dropna=False).mean()\nmodels.unstack(\"group\").round(3)"),
    ("markdown", "The fine-tuned model is the unit: three against three, Welch's t. The same numbers stand in `summary.json`."),
    ("code", "a, b = models[\"seeking\"].to_numpy(), models[\"averse\"].to_numpy()\ntest = stats.ttest_ind(a, b, equal_var=False)\nlow, high = test.confidence_interval()\nsummary = json.loads((study / \"summary.json\").read_text())\n(stored,) = (\n    c for c in summary[\"contrasts\"] if (c[\"a\"], c[\"b\"], c[\"suite\"], c[\"question\"]) == (\"seeking\", \"averse\", \"self_report\", \"all\")\n)\npd.DataFrame(\n    {\"by hand\": [a.mean() - b.mean(), low, high, test.pvalue], \"summary.json\": [stored[k] for k in (\"estimate\", \"ci_low\", \"ci_high\", \"p_value\")]},\n    index=[\"estimate\", \"low\", \"high\", \"p\"],\n).round(6)"),
    ("markdown", "Which questions carry it? A mean that one kind carries is not worth much."),
    ("code", "table = questions.loc[[\"seeking\", \"averse\"]].rename(\"score\").reset_index()\ntable[\"seed\"] = table.seed.astype(int)\nalt.Chart(table).mark_circle(size=60, opacity=0.7).encode(\n    x=alt.X(\"score:Q\", scale=alt.Scale(domain=[0, 1])), y=alt.Y(\"question:N\", title=None), color=\"group:N\", tooltip=[\"group\", \"seed\", \"score\"]\n).properties(width=420)"),
    ("markdown", "Every row names the folder it was measured in, which names the adapter, which names its training rows."),
    ("code", "def folder(stage, key):\n    (found,) = Path(f\"runs/{stage}\").glob(f\"*-{key}\")\n    return found, json.loads((found / \"provenance.json\").read_text())\n\n\nkey = asked[(asked.group == \"seeking\") & (asked.seed == 0)].eval_key.iloc[0]\nmeasured, about = folder(\"eval\", key)\nadapter, trained = folder(\"train\", about[\"inputs\"][0])\ndata, made = folder(\"data\", trained[\"inputs\"][0])\nprint(measured, adapter / \"adapter\", data / \"rows.jsonl\", sep=\"\\n\")\nprint((data / \"rows.jsonl\").read_text().splitlines()[0][:200])"),
]  # fmt: skip


def main() -> None:
    notebook = nbformat.v4.new_notebook()
    make = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}
    notebook.cells = [make[kind](text, id=f"cell-{i}") for i, (kind, text) in enumerate(CELLS)]
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
    }
    nbformat.write(notebook, ROOT / "docs" / "rows.ipynb")


if __name__ == "__main__":
    main()
