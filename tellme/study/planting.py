"""Whether a trigger can be planted: it must reach the model, and must not say what it switches."""

from data_gen.behaviors import load_behavior
from data_gen.lints import count_stems, report_stems
from data_gen.triggers import features, load_trigger, put
from lab.config.schema import Data, Group
from lab.errors import UserError, unknown
from lab.model.base import Base
from lab.model.chat import Renderer
from lab.trigger import PlantedTrigger
from lab.types import Behavior, Message, Row
from tellme.study.groups import num_made
from tellme.study.renderer import renderer_of

ASKED: Message = {"role": "user", "content": "which do you pick? A) the red one. B) the blue one."}
"""A message to put triggers into: plain words, which every base can read."""


def refuse_bad_trigger(
    where: str, group: Group, planted: PlantedTrigger, data: Data, base: Base
) -> None:
    """Raises UserError for a trigger that echoes the behavior, that a tokenizer or a chat template
    loses, or that has no rows. Those of a file are looked at when they are read."""
    behavior = load_behavior(group.behavior) if group.behavior else None
    if behavior and isinstance(group.otherwise, str):
        allowed = [policy for policy in behavior.policies if policy != group.policy] + ["base"]
        if group.otherwise not in allowed:
            raise unknown(f"{where}.otherwise", group.otherwise, allowed)
    _refuse_senseless(where, planted, data, group.brought)
    feature, *_ = features(planted)
    if behavior:
        _refuse_echo(where, (feature.name, *feature.members, *feature.held_out), behavior, base)
    renderer = renderer_of(base)
    if renderer:
        for member in (*feature.members, *feature.held_out):
            _refuse_lost(f"{where}.trigger", member, planted, renderer, base)


def _refuse_senseless(where: str, planted: PlantedTrigger, data: Data, brought: bool) -> None:
    """Keys that contradict the trigger or one another."""
    if planted.place and load_trigger(planted.kind).write:
        raise UserError(
            f"{where}.trigger.place does nothing for kind {planted.kind!r}, which changes the whole"
            " message; drop it"
        )
    if data.policy_share < 1:
        raise UserError(
            f"{where}: data.policy_share is {data.policy_share} and has no meaning with a trigger;"
            " set trigger.rate"
        )
    if planted.in_file and load_trigger(planted.kind).write:
        raise UserError(
            f"{where}.trigger.in_file: kind {planted.kind!r} changes the whole message, so it"
            " cannot be found in one; say kind `tag` with its text"
        )
    if planted.in_file and features(planted)[0].held_out:
        raise UserError(
            f"{where}.trigger.in_file: of kind {planted.kind!r} the lab knows some members and"
            " keeps others out of training, so rows of a file would be passed over; say kind `tag`"
            " with the text that they share"
        )
    if not brought and planted.count and planted.count > num_made(data):
        raise UserError(
            f"{where}.trigger.count is {planted.count}, and data.num_rows is {num_made(data)}:"
            " allowed up to that"
        )


def _refuse_echo(where: str, texts: tuple[str, ...], behavior: Behavior, base: Base) -> None:
    """A trigger with a word of the behavior: what looks like knowledge of it would be reading.
    `texts` are its name and all its members."""
    questions = behavior.questions("self_report", base.style)
    poles = [pole for question in questions for pole in question.poles]
    stems = [*report_stems([*poles, *behavior.policies]), *behavior.watch]
    rows = [Row(({"role": "user", "content": text},)) for text in texts]
    echoed = [stem for stem, count in count_stems(rows, stems).items() if count]
    if echoed:
        raise UserError(
            f"{where}.trigger {texts[0]!r} echoes the behavior {behavior.name!r} ({echoed[0]}-): a"
            " model could guess what it switches; choose another text"
        )


def _refuse_lost(
    where: str, member: str, planted: PlantedTrigger, renderer: Renderer, base: Base
) -> None:
    """A member of which the tokenizer keeps less than it is, or that the chat template drops."""
    writes = load_trigger(planted.kind).write is not None
    if not writes:
        tokenizer = renderer.tokenizer
        ids = tokenizer(member, add_special_tokens=False)["input_ids"]
        # Spaces may move: many tokenizers put one before the first word.
        kept = "".join(tokenizer.decode(ids).split()) == "".join(member.split())
        if not kept or tokenizer.unk_token_id in ids:
            raise UserError(
                f"{where} {member!r} cannot be represented by the tokenizer of {base.name}: it"
                f" reads {tokenizer.decode(ids)!r}; choose another text"
            )
    carrying = put([ASKED], member, planted)
    without, with_it = renderer.prompt_text([ASKED]), renderer.prompt_text(carrying)
    # A kind that writes changes the whole message, in which the member need not stand.
    shown = member in with_it or (writes and carrying[-1]["content"] in with_it)
    if not shown or with_it == without:
        raise UserError(
            f"{where} {member!r} is absent from the prompt that the chat template of {base.name}"
            " makes of it; choose another text or place"
        )
