"""`tellme export --inspect`: the answers of a finished study as logs that `inspect view` opens, one
for each model and what it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from inspect_ai.log import (
    EvalConfig,
    EvalDataset,
    EvalLog,
    EvalMetric,
    EvalResults,
    EvalSample,
    EvalScore,
    EvalSpec,
    write_eval_log,
)
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Score

from lab.agreed import UNLISTED
from lab.store.rows import load
from lab.store.store import digest, read_json
from lab.types import Message
from tellme.serve.inspect_tasks import chat_messages, sample_id

SCORER = "tellme"
OF_LOG = ["group", "seed", "step", "suite", "behavior", "condition"]
"""Columns that say of what a log is."""
OF_SAMPLE = ["question", "paraphrase", "order"]
LIKELY = 1e-4
"""Answers less probable are left out of a sample: most of the numbers of a scale."""

Named = Mapping[str, str | int | None]
"""The values of OF_LOG."""


def export_logs(folder: Path, out: Path) -> list[Path]:
    """Write the logs of a finished study into a folder, and return their paths; the same study
    writes the same files. Each is whole from the moment that it is there."""
    rows = load(folder)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with TemporaryDirectory(dir=out) as scratch:
        for _, table in rows.groupby(OF_LOG, dropna=False, sort=False):
            log = _log(folder, {name: _plain(table.iloc[0][name]) for name in OF_LOG}, table)
            spec = log.eval
            # Inspect reads these parts out of the name.
            parts = (spec.created[:19], spec.task, spec.model.rpartition("/")[2], spec.task_id)
            name = "_".join(p.replace(":", "-").replace("_", "-").replace("/", "-") for p in parts)
            write_eval_log(log, Path(scratch) / f"{name}.eval")
            written.append((Path(scratch) / f"{name}.eval").rename(out / f"{name}.eval"))
    return written


def _plain(value: Any) -> str | int | None:
    """A cell as JSON has it."""
    if pd.isna(value):
        return None
    return value if isinstance(value, str) else int(value)


def model_name(named: Named) -> str:
    """`tellme/GROUP-sSEED`, as the server calls it, with the step before the end of training."""
    seed = "" if named["seed"] is None else f"-s{named['seed']}"
    step = "" if named["step"] is None else f"@{named['step']}"
    return f"tellme/{named['group']}{seed}{step}"


def _log(folder: Path, named: Named, table: pd.DataFrame) -> EvalLog:
    summary = read_json(folder / "summary.json")
    created = read_json(folder / "provenance.json")["finished"]
    samples = [
        sample
        for _, asked in table.groupby(OF_SAMPLE, sort=False)
        for sample in _samples(asked, model_name(named))
    ]
    condition = "" if named["condition"] == "clean" else f"@{named['condition']}"
    key = digest([summary["key"], *map(str, named.values())])[:22]
    spec = EvalSpec(
        eval_id=key,
        run_id=summary["key"],
        task_id=key,
        created=created,
        task=f"{named['suite']}{condition}",
        model=model_name(named),
        dataset=EvalDataset(
            name=f"{named['behavior']}/{named['suite']}",
            samples=len(samples),
            sample_ids=list(dict.fromkeys(sample.id for sample in samples)),
        ),
        config=EvalConfig(epochs=max(sample.epoch for sample in samples)),
        metadata={"study": summary["study"], "study_key": summary["key"], **named},
    )
    return EvalLog(status="success", eval=spec, results=_results(samples), samples=samples)


def _samples(asked: pd.DataFrame, model: str) -> Iterator[EvalSample]:
    """One for a wording whose answers are listed; else one for each answer that was drawn."""
    drawn = asked["sample"].notna() if "sample" in asked else pd.Series(False, index=asked.index)
    listed = asked[~drawn]
    if len(listed):
        yield _sample(listed.iloc[0], 1, _likeliest(listed), model, _of_list(listed))
        return
    for i in range(len(asked)):
        row = asked.iloc[i]
        said = {name: _plain(row[name]) for name in ("status", "judge", "pole")}
        if pd.isna(row["score"]):
            score = Score.unscored(reason=row["status"], answer=row["text"], metadata=said)
        else:
            score = Score(value=float(row["score"]), answer=row["text"], metadata=said)
        yield _sample(row, i + 1, row["text"], model, score)


def _sample(row: pd.Series[Any], epoch: int, text: str, model: str, score: Score) -> EvalSample:
    chat = _chat(row)
    question, paraphrase, order = (row[column] for column in OF_SAMPLE)
    return EvalSample(
        id=sample_id(question, paraphrase, order),
        epoch=epoch,
        input=chat_messages(chat),
        target="",
        messages=chat_messages([*chat, {"role": "assistant", "content": text}]),
        output=ModelOutput.from_content(model, text),
        scores={SCORER: score},
        metadata={"question": question, "kind": row["kind"], "engine": row["engine"]},
    )


def _chat(row: pd.Series[Any]) -> list[Message]:
    """What was asked, from its system line to the beginning of the answer."""
    chat: list[Message] = []
    if isinstance(row["system"], str):
        chat.append({"role": "system", "content": row["system"]})
    if isinstance(row["before"], str):
        before: list[Message] = json.loads(row["before"])
        chat += [turn for turn in before if turn["role"] != "system"]
    chat.append({"role": "user", "content": row["prompt"]})
    if isinstance(row["prefill"], str):
        chat.append({"role": "assistant", "content": row["prefill"]})
    if isinstance(row.get("said"), str):
        # Its last turn is the answer.
        chat += json.loads(row["said"])[:-1]
    return chat


def _likeliest(listed: pd.DataFrame) -> str:
    return str(listed.iloc[int(listed["logp"].to_numpy().argmax())]["answer"])


def _of_list(listed: pd.DataFrame) -> Score:
    """The score of a wording (docs/rows.md)."""
    outside = float(listed["outside"].iloc[0])
    value = float((listed["p_exact"] * listed["score"]).sum() + outside * UNLISTED)
    likely = listed[listed["p_exact"] >= LIKELY]
    return Score(
        value=value,
        answer=_likeliest(listed),
        metadata={
            "p": dict(zip(likely["answer"], likely["p_exact"], strict=True)),
            "outside": outside,
            "pole": listed["pole"].iloc[0],
        },
    )


def _results(samples: list[EvalSample]) -> EvalResults:
    """The mean of every question over its samples that have a score."""
    by_question: dict[str, list[float]] = {}
    for sample in samples:
        assert sample.scores
        value = sample.scores[SCORER].as_float()
        by_question.setdefault(sample.metadata["question"], [])
        # What has no score is no number.
        if value == value:
            by_question[sample.metadata["question"]].append(value)
    means = {
        name: EvalMetric(name=name, value=sum(values) / len(values))
        for name, values in by_question.items()
        if values
    }
    number = len(samples)
    score = EvalScore(name=SCORER, scorer=SCORER, metrics=means)
    return EvalResults(total_samples=number, completed_samples=number, scores=[score])
