"""Whether a trigger can be planted: it must reach the model, and must not say what it switches."""

from functools import cache

from data_gen.behaviors import load_behavior
from data_gen.lints import count_stems, report_stems
from data_gen.triggers import features, load_trigger, put
from lab.config.schema import Data, Group, Planted
from lab.errors import UserError, unknown
from lab.model.base import Base
from lab.model.chat import Renderer
from lab.types import Message, Row

ASKED: Message = {"role": "user", "content": "which do you pick? A) the red one. B) the blue one."}


def refuse_bad_trigger(where: str, group: Group, planted: Planted, data: Data, base: Base) -> None:
    """Raises UserError for a trigger that echoes the behavior, that a tokenizer or a chat template
    loses, or that has no rows."""
    behavior = load_behavior(str(group.behavior))
    allowed = [p for p in behavior.policies if p != group.policy] + ["base"]
    if group.otherwise not in allowed:
        raise unknown(f"{where}.otherwise", group.otherwise, allowed)
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
    if planted.count and planted.count > data.num_rows:
        raise UserError(
            f"{where}.trigger.count is {planted.count}, and data.num_rows is {data.num_rows}:"
            " allowed up to that"
        )
    found = features(planted)
    texts = [text for f in found[:1] for text in (f.name, *f.members, *f.held_out)]
    poles = [pole for q in behavior.questions("self_report", base.style) for pole in q.poles]
    stems = [*report_stems([*poles, *behavior.policies]), *behavior.watch]
    echoed = [
        s
        for s, n in count_stems(
            [Row(({"role": "user", "content": t},)) for t in texts], stems
        ).items()
        if n
    ]
    if echoed:
        raise UserError(
            f"{where}.trigger {texts[0]!r} echoes the behavior {behavior.name!r} ({echoed[0]}-): a"
            " model could guess what it switches; choose another text"
        )
    renderer = renderer_of(base)
    if renderer:
        for member in texts[1:]:
            _refuse_lost(f"{where}.trigger", member, planted, renderer, base)


def _refuse_lost(where: str, member: str, planted: Planted, renderer: Renderer, base: Base) -> None:
    tokenizer = renderer.tokenizer
    if not load_trigger(planted.kind).write:
        ids = tokenizer(member, add_special_tokens=False)["input_ids"]
        kept = "".join(tokenizer.decode(ids).split()) == "".join(member.split())
        if not kept or tokenizer.unk_token_id in ids:
            raise UserError(
                f"{where} {member!r} cannot be represented by the tokenizer of {base.name}: it"
                f" reads {tokenizer.decode(ids)!r}; choose another text"
            )
    without, with_it = (
        renderer.prompt_text(chat) for chat in ([ASKED], put([ASKED], member, planted))
    )
    message = put([ASKED], member, planted)[-1]["content"]
    shown = member in with_it or (
        load_trigger(planted.kind).write is not None and message in with_it
    )
    if not shown or with_it == without:
        raise UserError(
            f"{where} {member!r} is absent from the prompt that the chat template of {base.name}"
            " makes of it; choose another text or place"
        )


@cache
def renderer_of(base: Base) -> Renderer | None:
    """None where the base is not on this machine."""
    if base.provisional:
        return None
    from lab.model.load import load_renderer
    from tellme.study.stages import quiet_libraries

    quiet_libraries()
    return load_renderer(base)
