"""What the parts of a study must say of one another, and of the libraries that they set."""

from pydantic import ValidationError

from lab.config.fields import check_fields
from lab.config.library import Lora, Sft
from lab.config.mistakes import one_line
from lab.config.schema import Data, Group, Model, Study
from lab.errors import UserError, unknown
from lab.trigger import WITH_TRIGGER


def refuse_inconsistent(study: Study, where: str) -> None:
    """Raises UserError for the first setting, name of a group or condition that the rest of the
    study, or the library it is meant for, does not know. `where` names what was read."""
    check_fields("lora", study.lora, f"{where}: lora")
    check_fields("sft", study.sft, f"{where}: sft")
    for name, group in study.groups.items():
        place = f"{where}: groups.{name}"
        check_fields("lora", group.lora, f"{place}.lora")
        check_fields("sft", group.sft, f"{place}.sft")
        _refuse_misfit(study, group, place)
        _refuse_bad_source(study, group, place)
    for side in study.sides():
        _refuse_unknown_side(study, side, where)
    _refuse_unlisted_primary(study, where)


def _refuse_misfit(study: Study, group: Group, place: str) -> None:
    """What a group overrides is a mapping until it is laid over that of the study."""
    try:
        Data.model_validate(study.data.model_dump() | group.data)
        Lora.model_validate(study.lora | group.lora)
        Sft.model_validate(study.sft | group.sft)
        if isinstance(group.model, dict):
            Model.model_validate(study.model.model_dump() | group.model)
    except ValidationError as error:
        raise one_line(error, place) from None


def _refuse_bad_source(study: Study, group: Group, place: str) -> None:
    """A control is made from the rows of another group, which may itself be a control of a group
    with rows of its own."""
    chain, of = [place], group.of
    while of is not None:
        if of not in study.groups:
            raise unknown(f"{chain[-1]}.of", of, study.groups)
        if f"groups.{of}" in chain:
            raise UserError(f"{place}.of is {group.of!r}, which is made from it in turn")
        chain.append(f"groups.{of}")
        source = study.groups[of]
        if not source.trained:
            raise UserError(
                f"{chain[-2]}.of is {of!r}, which has no rows of its own to make a control from;"
                " name a trained group"
            )
        of = source.of


def _refuse_unknown_side(study: Study, side: str, where: str) -> None:
    name, _, condition = side.partition("@")
    if name not in study.groups and name != "base":
        raise unknown(f"{where}: contrast names group", name, [*study.groups, "base"])
    conditions = ["clean", *study.eval.systems]
    if any(group.trigger for group in study.groups.values()):
        conditions += WITH_TRIGGER
    if condition and condition not in conditions:
        raise unknown(
            f"{where}: contrast side {side!r} names condition",
            condition,
            conditions,
            "see eval.systems and `trigger`",
        )


def _refuse_unlisted_primary(study: Study, where: str) -> None:
    """The primary is one of the contrasts: what is measured and shown is said in one place."""
    for pair in study.primary.pairs if study.primary else ():
        if pair not in study.contrasts:
            raise UserError(
                f"{where}: primary.contrast {list(pair)!r} is not among the contrasts as written"
                " there; add it to `contrasts`"
            )
