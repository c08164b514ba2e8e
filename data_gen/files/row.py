"""What a record and its turns make: a row of which it is known which turns are learned."""

import json

from pydantic import TypeAdapter, ValidationError

from data_gen.files.containers import Record, told
from data_gen.files.forms import Chat
from data_gen.files.turns import Turn
from data_gen.formats import FORMATS
from lab.config.schema import Learn
from lab.errors import UserError
from lab.types import LAST, Message, Meta, Role, Row

META = TypeAdapter(Meta)
NEVER_NULL = Meta.__annotations__.keys() - {"mark", "real"}
"""Keys of `meta` that say nothing where they are null, as all that a row lacks is in Parquet."""
DOCUMENT = (0,)
"""What is learned of a document: the text that it is."""


def row_of(record: Record, chat: Chat, learn: Learn) -> Row:
    """The row of a record: a chat in which there is something to answer, and an answer to learn; or
    a document, which is one turn. Raises UserError with file and line."""
    messages = tuple(turn.message for turn in chat.turns)
    meta = _meta(record)
    if chat.twin is not None:
        meta["twin"] = chat.twin
    if chat.is_document:
        _refuse_blank(record, chat.turns, DOCUMENT)
        return Row(messages, meta, DOCUMENT)
    learned = _learned(record, chat, learn)
    if chat.system is None:
        return Row(messages, meta, learned)
    line: Message = {"role": "system", "content": chat.system}
    return Row((line, *messages), meta, tuple(i if i < 0 else i + 1 for i in learned))


def _learned(record: Record, chat: Chat, learn: Learn) -> tuple[int, ...]:
    """The turns that carry loss: answers of the assistant's to something, after the prompt."""
    roles = [turn.message["role"] for turn in chat.turns]
    if "user" not in roles:
        raise UserError(f"{record.where} has no user turn, so there is nothing to answer")
    if roles[-1] != "assistant":
        raise UserError(
            f"{record.where} does not end with an assistant turn, so there is nothing to learn from"
            " it"
        )
    first = max(chat.num_asked, roles.index("user"))
    answers = [i for i in range(first, len(roles)) if roles[i] == "assistant"]
    if record.fields.get("learned") is not None:
        learned = _said(record, chat, answers)
    else:
        learned = _weighed(record, chat, answers, first, learn)
    _refuse_unasked(record, roles, learned)
    _refuse_blank(record, chat.turns, learned)
    return LAST if learned == (len(roles) - 1,) else learned


def _weighed(
    record: Record, chat: Chat, answers: list[int], first: int, learn: Learn
) -> tuple[int, ...]:
    """Those of the answers, which begin at turn `first`, that weights and `learn` leave."""
    early = next((i for i, turn in enumerate(chat.turns[:first]) if turn.weight), None)
    if early is not None:
        raise UserError(
            f"{record.where}: message {early + 1} has weight 1, and it answers nothing or is part"
            " of the prompt; drop the weight"
        )
    if learn == "last":
        answers = answers[-1:]
    learned = tuple(i for i in answers if chat.turns[i].weight is not False)
    if not learned:
        of = "the last turn has" if learn == "last" else "all turns of the assistant have"
        raise UserError(f"{record.where}: {of} weight 0, so there is nothing to learn from it")
    return learned


def _said(record: Record, chat: Chat, answers: list[int]) -> tuple[int, ...]:
    """The turns that a row itself names, each once and in order: however they are written, rows
    that learn the same are the same."""
    learned = record.fields["learned"]
    allowed = [*answers, -1]
    # True and 1.0 are equal to 1, and no index.
    if (
        not isinstance(learned, list)
        or not learned
        or not all(type(index) is int and index in allowed for index in learned)
    ):
        raise UserError(
            f"{record.where}: `learned` is {told(learned)}; give a list of indexes of assistant"
            f" turns: {', '.join(map(str, allowed))}"
        )
    if any(turn.weight is not None for turn in chat.turns):
        raise UserError(f"{record.where} has `learned` and messages with weights; keep one of them")
    return tuple(sorted({index % len(chat.turns) for index in learned}))


def _refuse_unasked(record: Record, roles: list[Role], learned: tuple[int, ...]) -> None:
    """A turn after another one of the assistant's goes on with what it has said, and no model is
    asked there. Trainers refuse it too, of rows that come from elsewhere."""
    unasked = next((i for i in learned if roles[i - 1] == "assistant"), None)
    if unasked is not None:
        raise UserError(
            f"{record.where}: message {unasked + 1} is to be learned and follows another turn of"
            " the assistant's; join the two, or give it weight 0"
        )


def _refuse_blank(record: Record, turns: list[Turn], learned: tuple[int, ...]) -> None:
    blank = next((i for i in learned if not turns[i].message["content"].strip()), None)
    if blank is not None:
        raise UserError(
            f"{record.where}: message {blank + 1} is blank, so there is nothing to learn from it;"
            " drop it or give it weight 0"
        )


def _meta(record: Record) -> Meta:
    """What is known of a row: keys that the lab reads must be what it takes them for, and others
    are kept."""
    where, given = record.where, record.fields.get("meta")
    if given is None:
        return Meta()
    if isinstance(given, dict):
        given = {k: v for k, v in given.items() if v is not None or k not in NEVER_NULL}
    try:
        json.dumps(given, allow_nan=False)
        meta = META.validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in ("meta", *first["loc"]))
        form = '{"topic": "x"}'
        raise UserError(
            f"{where}: `{name}` is {told(first['input'])}: {first['msg'].lower()}; give a mapping"
            f" such as {form}"
        ) from None
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: `meta` cannot be kept as JSON ({error})") from None
    if meta.get("format") not in (None, *FORMATS):
        raise UserError(
            f"{where}: `meta.format` is {told(meta['format'])}, and that key marks rows that"
            f" teach a format of answer ({', '.join(FORMATS)}); give yours another name"
        )
    return meta
