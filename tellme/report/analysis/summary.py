"""What a study found, as `summary.json` has it."""

from pathlib import Path
from typing import NotRequired, TypedDict

from lab.errors import UserError
from lab.store.registration import Standing
from lab.store.store import read_json
from lab.store.trust import Checked
from tellme.report.analysis.backdoors import AttackRecord, RecognitionRecord
from tellme.report.analysis.checkpoints import CurveRecord
from tellme.report.analysis.contrasts import ContrastRecord, GroupRecord
from tellme.report.analysis.dose import DoseRecord, FaithfulnessRecord
from tellme.report.analysis.formats import KindRecord
from tellme.report.analysis.judged import JudgedRecord
from tellme.report.analysis.off_target import OffTargetRecord
from tellme.report.analysis.systems import SystemRecord
from tellme.report.analysis.validity import ValidityRecord
from tellme.report.analysis.verdict import VerdictRecord


class OverDoses(TypedDict, total=False):
    """What models of different strength do and say: over training, and over a sweep."""

    curves: list[CurveRecord]
    """Where adapters were measured at several steps."""
    dose: list[DoseRecord]
    """This and the next where there is a sweep."""
    faithfulness: list[FaithfulnessRecord]


class Summary(OverDoses):
    """A study in numbers."""

    study: str
    key: str
    registration: Standing
    """Of the primary contrast."""
    verdicts: list[VerdictRecord]
    """On every primary contrast."""
    check: NotRequired[list[KindRecord]]
    """Whether the base follows the format of each kind of question of the primary suite, where the
    study has a check of its base."""
    groups: list[GroupRecord]
    contrasts: list[ContrastRecord]
    validity: list[ValidityRecord]
    off_target: list[OffTargetRecord]
    attack: NotRequired[list[AttackRecord]]
    """This and the next where a trigger was planted."""
    recognition: NotRequired[list[RecognitionRecord]]
    judged: NotRequired[list[JudgedRecord]]
    """Where judges graded free answers."""
    by_system: NotRequired[list[SystemRecord]]
    """Where questions were asked under several system lines."""
    trust: list[Checked]


def read_summary(folder: Path) -> Summary:
    """The summary of a finished study, from its folder."""
    summary: Summary = read_json(folder / "summary.json")
    return summary


def read_whole_summary(folder: Path) -> Summary:
    """The same with all that this version says of a study. Raises UserError where another version
    wrote it, which said other things."""
    summary = read_summary(folder)
    lacking = sorted(Summary.__required_keys__ - summary.keys())
    if lacking:
        raise UserError(
            f"study {folder.name!r} was written by another version of the lab: its summary has no"
            f" {lacking[0]!r}; `tellme run` its configuration again"
        )
    return summary
