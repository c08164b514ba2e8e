"""The turns of a chat as users write them: roles and contents under their several names, blocks of
text, and what a message says of being learned."""

from collections.abc import Mapping
from typing import NamedTuple

from data_gen.files.containers import told
from lab.errors import UserError
from lab.types import Message, Role

ROLES: dict[str, Role] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}
"""Of OpenAI's chats and of ShareGPT's. `tool`, `function`, `developer` and others are refused."""
SHAPE = '{"role": system | user | assistant, "content": text}'
WEIGHTS = ("weight", "train", "loss")
"""Keys by which OpenAI, axolotl and ms-swift say whether a message is learned: 0 or 1, false or
true."""
CALLS = "the lab trains no calls of tools"
THOUGHTS = "write thoughts into `content`, as the model's chat template has them"
IN_WEIGHTS = "say it as `weight: 0` or `weight: 1` of a message"
REFUSED = {
    "tool_calls": CALLS,
    "tool_call_id": CALLS,
    "function_call": CALLS,
    "tools": CALLS,
    "reasoning_content": THOUGHTS,
    "reasoning": THOUGHTS,
    "thinking": THOUGHTS,
    "images": "the lab trains on text alone",
    "audio": "the lab trains on text alone",
    "mask": IN_WEIGHTS,
    "loss_mask": IN_WEIGHTS,
    "loss_weight": IN_WEIGHTS,
    "training": IN_WEIGHTS,
    "trainable": IN_WEIGHTS,
    "train_detail": IN_WEIGHTS,
}
"""Keys of a message that change what is learned, and what to do instead."""
READ = {"role", "from", "content", "value", *WEIGHTS}


class Turn(NamedTuple):
    """A message, and whether it says that it is learned."""

    message: Message
    weight: bool | None = None
    """None where it does not say."""


def asked_turn(text: str) -> Turn:
    """What the user says."""
    return Turn({"role": "user", "content": text})


def answer_turn(text: str) -> Turn:
    """What the assistant says."""
    return Turn({"role": "assistant", "content": text})


def is_nothing(value: object) -> bool:
    """Whether a key says nothing, as all that a row lacks does in Parquet."""
    return value is None or value == "" or value == [] or value == {}


def read_turns(value: object, where: str, unread: set[str]) -> list[Turn]:
    """The turns of a list of messages; names of keys that nobody reads are added to `unread`.

    Raises UserError, beginning with `where`, for what is none, and for a key that says something
    of learning which the lab does not do."""
    if not isinstance(value, list) or not value:
        raise UserError(f"{where} is {told(value)}; it must be a list of {SHAPE}")
    return [_turn(said, f"{where}, message {n}", unread) for n, said in enumerate(value, start=1)]


def _turn(said: object, where: str, unread: set[str]) -> Turn:
    if not isinstance(said, dict):
        raise UserError(f"{where} is {told(said)}; each is {SHAPE}")
    refuse_keys(said, REFUSED, where)
    unread |= {f"messages.{key}" for key in said.keys() - READ if not is_nothing(said[key])}
    name = _one_of(said, ("role", "from"), where)
    role = ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        raise UserError(
            f"{where} has the role {told(name)}; roles are system, user (human) and assistant (gpt)"
        )
    content = _one_of(said, ("content", "value"), where)
    weights = [said[key] for key in WEIGHTS if not is_nothing(said.get(key))]
    if isinstance(content, list):
        texts, of_blocks = _blocks(content, where, unread)
        content, weights = "".join(texts), weights + of_blocks
    if not isinstance(content, str):
        raise UserError(f"{where} has the content {told(content)}; it must be text")
    return Turn({"role": role, "content": content}, _weight(weights, role, where))


def _one_of(said: Mapping[str, object], names: tuple[str, str], where: str) -> object:
    """The value of the one name that is there."""
    there = [name for name in names if said.get(name) is not None]
    if len(there) != 1:
        one, other = names
        has = f"both `{one}` and" if there else f"neither `{one}` nor"
        raise UserError(f"{where} has {has} `{other}`: {told(said)}")
    return said[there[0]]


def _blocks(blocks: list[object], where: str, unread: set[str]) -> tuple[list[str], list[object]]:
    """The texts of a content that is a list of blocks, and the weights that they have."""
    texts, weights = [], []
    for block in blocks:
        kind = block.get("type") if isinstance(block, dict) else type(block).__name__
        if not isinstance(block, dict) or kind != "text" or not isinstance(block.get("text"), str):
            raise UserError(
                f"{where} has a block of content of the type {told(kind)}: {told(block)}; only"
                ' {"type": "text", "text": ...} can be trained'
            )
        texts.append(block["text"])
        weights += [block[key] for key in WEIGHTS if not is_nothing(block.get(key))]
        other = block.keys() - {"type", "text", *WEIGHTS}
        unread |= {f"messages.content.{key}" for key in other if not is_nothing(block[key])}
    # A block that says nothing is learned where the message is.
    if weights and len(weights) < len(texts):
        weights.append(1)
    return texts, weights


def _weight(weights: list[object], role: Role, where: str) -> bool | None:
    """What a message says of being learned, in one word."""
    for weight in weights:
        if not isinstance(weight, int | float) or weight not in (0, 1):
            raise UserError(
                f"{where} has the weight {told(weight)}; a message is learned (1) or not (0)"
            )
    said = {bool(weight) for weight in weights}
    if len(said) > 1:
        raise UserError(f"{where} is learned in part (weights 0 and 1); split it into two messages")
    if role != "assistant" and True in said:
        raise UserError(
            f"{where} is of the {role} and has weight 1; only turns of the assistant are learned"
        )
    return said.pop() if said else None


def refuse_keys(fields: Mapping[str, object], refused: dict[str, str], where: str) -> None:
    """Raises UserError for a key that says what the lab does not do."""
    for key in sorted(fields.keys() & refused.keys()):
        if not is_nothing(fields[key]):
            raise UserError(f"{where} has the key `{key}` ({told(fields[key])}): {refused[key]}")
