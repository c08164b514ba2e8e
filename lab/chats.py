"""The chat that asks a wording."""

from lab.types import Chat, Message, Wording


def composed(context: Chat, wording: Wording) -> list[Message]:
    """What precedes every question, the earlier turns of this one, and its text. A chat has one
    system line, which comes first: that of the context in place of the wording's own."""
    turns = [*context, *wording.before]
    line = [turn for turn in turns if turn["role"] == "system"][:1]
    asked: Message = {"role": "user", "content": wording.text}
    return [*line, *(turn for turn in turns if turn["role"] != "system"), asked]


def begun(chat: Chat, wording: Wording) -> list[Message]:
    """The chat with the beginning of the answer, where the wording has one, as its last turn."""
    beginning: Message = {"role": "assistant", "content": wording.prefill}
    return [*chat, beginning] if wording.prefill else [*chat]
