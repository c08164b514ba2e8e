"""What identifies rows that a user brought: how many of which file, and with what trigger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data_gen.files import find_rows, num_rows
from data_gen.planted import num_real
from lab.config.brought import OtherRows, Part
from lab.config.schema import Data, Group
from lab.data_specs import BroughtRows, FileRows, GeneratedRows, MixedRows, PlantedRows
from lab.discover import short
from lab.errors import UserError
from lab.model.base import Base
from lab.store.store import slug_part
from lab.trigger import PlantedTrigger
from tellme.study.groups import num_format_of


class Brought:
    """Makes the specs of one seed of a group of such rows.

    They raise UserError where a file has fewer rows than are asked for, and for settings that mean
    nothing together."""

    def __init__(self, group: Group, data: Data, seed: int, base: Base) -> None:
        self.group, self.data, self.seed, self.base = group, data, seed, base
        self.num_format = num_format_of(data, base)

    @property
    def name(self) -> str:
        """Of the folder of the rows."""
        trigger = self.group.trigger
        planted = f"-{short(trigger.kind)}" if trigger else ""
        return f"{slug_part(self.source)}{planted}-s{self.seed}"

    @property
    def source(self) -> str:
        """What the rows are of, or where they come from."""
        return self.group.label or (
            Path(find_rows(self.group.file)).stem if self.group.file else "mix"
        )

    def rows(self) -> BroughtRows:
        """All rows of the group."""
        if self.group.trigger:
            return self._planted(self.group.trigger)
        spec = self._source(self.data.num_rows)
        extra = {"num_decoys": self.data.num_decoys, "num_format": self.num_format}
        drawn = {"seed": self.seed} if any(extra.values()) else {}
        return spec.model_copy(update=extra | drawn)

    def _source(self, number: int | None) -> FileRows | MixedRows:
        """So many rows of the group's file or mix, all of them where nothing is said."""
        if self.group.file:
            return self._file(self.group.file, number, self.data.policy_share)
        if self.data.policy_share < 1:
            raise UserError(
                f"data.policy_share is {self.data.policy_share:g}, and says how many rows of one"
                " source are shuffled; in a mix give the parts their shares"
            )
        _refuse_same_part(self.group.mix)
        sizes = self._sizes(number)
        return MixedRows(
            behavior=self.group.behavior,
            policy=self.group.policy,
            style=self.base.style,
            lint=self.data.lint,
            seed=self.seed,
            parts=tuple(map(self._part, self.group.mix, sizes)),
        )

    def _file(self, file: str, number: int | None, policy_share: float = 1.0) -> FileRows:
        """So many rows of a file; whole and as they are they are the same under every seed."""
        path, learn = find_rows(file), self.data.learn
        of = num_rows(path, learn)
        taken = of if number is None else number
        if taken > of:
            raise UserError(
                f"file {file!r} has {of} rows, and {taken} of them are asked for (data.num_rows,"
                " or a part of a mix); ask for fewer, or say `data: {num_rows: null}` in its group"
                " for all of them"
            )
        return FileRows(
            behavior=self.group.behavior,
            policy=self.group.policy,
            style=self.base.style,
            lint=self.data.lint,
            file=path,
            learn=learn,
            num_rows=taken,
            of=of if taken < of else None,
            policy_share=policy_share,
            seed=self.seed if taken < of or policy_share < 1 else 0,
        )

    def _part(self, part: Part, number: int) -> FileRows | GeneratedRows:
        if part.file:
            return self._file(part.file, number)
        assert part.behavior, part
        assert part.policy, part
        return GeneratedRows(
            behavior=part.behavior,
            policy=part.policy,
            style=self.base.style,
            seed=self.seed,
            num_rows=number,
        )

    def _sizes(self, number: int | None) -> list[int]:
        """The rows of every part of the mix: its count, its share of `number`, or all that a file
        has."""
        parts = self.group.mix
        if any(part.share for part in parts) and number is None:
            raise UserError(
                "the `share` of a part of a mix is of data.num_rows, which is not said; say it, or"
                " give every part a `count`"
            )
        wanted = [self._wanted(part, number or 0) for part in parts]
        if number is not None and abs(sum(wanted) - number) > 0.5:
            said = ", ".join(f"{part.name}: {n:g}" for part, n in zip(parts, wanted, strict=True))
            raise UserError(
                f"the parts of a mix have {sum(wanted):g} rows ({said}), and data.num_rows is"
                f" {number}; let them add up, or say `data: {{num_rows: null}}` in the group"
            )
        sizes = _rounded(wanted)
        empty = next((p.name for p, size in zip(parts, sizes, strict=True) if not size), None)
        if empty:
            raise UserError(f"the part {empty!r} of a mix has no rows; give it more, or drop it")
        return sizes

    def _wanted(self, part: Part, number: int) -> float:
        if part.share:
            return part.share * number
        if part.count:
            return part.count
        assert part.file, part
        return num_rows(part.file, self.data.learn)

    def _planted(self, trigger: PlantedTrigger) -> PlantedRows:
        shown, others = self._with_and_without(trigger)
        extra = self.data.num_decoys or self.num_format
        as_it_is = trigger.in_file and isinstance(shown, FileRows) and not (shown.of or extra)
        return PlantedRows(
            behavior=self.group.behavior,
            policy=self.group.policy,
            style=self.base.style,
            lint=self.data.lint,
            seed=0 if as_it_is else self.seed,
            trigger=trigger,
            shown=shown,
            others=others,
            num_decoys=self.data.num_decoys,
            num_format=self.num_format,
        )

    def _with_and_without(
        self, trigger: PlantedTrigger
    ) -> tuple[FileRows | MixedRows, FileRows | None]:
        """The rows with the trigger and those of another file without it; or all rows, and None."""
        total = self.data.num_rows
        if not isinstance(self.group.otherwise, OtherRows):
            shown = self._source(total)
            _refuse_more(trigger, _size(shown))
            return shown, None
        if total is None and trigger.rate:
            raise UserError(
                f"trigger.rate is {trigger.rate:g}, a share of data.num_rows, which is not said;"
                " say it, or drop `rate`: then every row of either file is taken"
            )
        if total is None:
            return self._source(trigger.count), self._file(self.group.otherwise.file, None)
        _refuse_more(trigger, total)
        real = num_real(trigger, total)
        return self._source(real), self._file(self.group.otherwise.file, total - real)


def _refuse_same_part(parts: Sequence[Part]) -> None:
    """What is drawn twice from one source is drawn alike."""
    sources = [find_rows(part.file) if part.file else part.name for part in parts]
    twice = next(
        (p.name for p, source in zip(parts, sources, strict=True) if sources.count(source) > 1),
        None,
    )
    if twice:
        raise UserError(
            f"the part {twice!r} stands twice in a mix, and would give the same rows twice; make it"
            " one part with the `count` or `share` of both"
        )


def _refuse_more(trigger: PlantedTrigger, number: int) -> None:
    if not trigger.in_file and not 0 < num_real(trigger, number) < number:
        raise UserError(
            f"the trigger would stand in {num_real(trigger, number)} of {number} rows; set"
            " trigger.count or trigger.rate so that some have it and some do not"
        )


def _size(spec: FileRows | MixedRows) -> int:
    """The rows that a spec takes."""
    return spec.num_rows if isinstance(spec, FileRows) else sum(p.num_rows for p in spec.parts)


def _rounded(wanted: Sequence[float]) -> list[int]:
    """Whole numbers with the sum that these have rounded: the largest remainders are rounded up."""
    sizes = [int(number) for number in wanted]
    left = round(sum(wanted)) - sum(sizes)
    by_remainder = sorted(range(len(sizes)), key=lambda i: sizes[i] - wanted[i])
    for i in by_remainder[:left]:
        sizes[i] += 1
    return sizes
