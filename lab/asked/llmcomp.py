"""Questions of llmcomp and of the emergent-misalignment papers: `id` or `name`, `type`,
`paraphrases` or `messages`, `system`, `judges`."""

from collections.abc import Mapping
from dataclasses import replace

from lab.asked.heard import Form, Heard, Note, named, once, texts, unused
from lab.asked.placed import Placed

FREE = ("free_form", "free_form_judge", "free_form_judge_0_100", "next_token")
"""Types whose answers are texts; `_judge` says that a model grades them."""
RATED = ("rating", "free_form_0_100")
"""Types whose answers are numbers."""
USED = ("id", "name", "type", "paraphrases", "messages", "system", "context")
OF_RATING = ("min_rating", "max_rating")
WHY = {
    "model": "not read; the models that are asked are those of the study",
    "results_dir": "not read; a study writes to `run.dir`",
    "logit_bias": "not read; every engine asks the model as it is",
}


def heard(placed: Placed, said: Mapping[object, object], number: int) -> list[Heard]:
    """The question of a mapping; several where its conversations begin differently."""
    name = named(said, ("name", "id"), number)
    kind, asks = _kind(said), texts(said.get("paraphrases"))
    used = (*USED, *OF_RATING) if kind.get("kind") == "number" else USED
    lines = {"wordings": placed.line_of("paraphrases"), "name": placed.line_of("id")}
    at = Placed(said, placed.line, {**placed.lines, **lines})
    question = Heard({"name": name, **kind}, at, unused(placed, said, used, WHY))
    if any("{answer}" in ask for ask in asks or ()):
        # What a judge is asked about an answer of somebody else's.
        why = "it is the prompt of a judge, and no question to the model"
        notes = (*question.notes, Note(at.line, why))
        return [Heard(question.entry, at, notes, why, is_question=False)]
    if not kind:
        allowed = ", ".join((*FREE, *RATED))
        return [_not(question, f"`type: {said.get('type')}` is not known; allowed: {allowed}")]
    if "messages" in said:
        return _conversations(question, said)
    if asks is None:
        return [_not(question, "`paraphrases` is no list of texts")]
    wordings, repeated = once(asks)
    entry = {**question.entry, "wordings": wordings, **_before(said)}
    question = Heard(entry, at, question.notes)
    return [question.noting(lines["wordings"], repeated) if repeated else question]


def _not(question: Heard, why: str) -> Heard:
    return Heard(question.entry, question.placed, question.notes, why)


def _kind(said: Mapping[object, object]) -> dict[str, object]:
    """Of a type; empty where it is none."""
    of_type = said.get("type", "free_form")
    if of_type in RATED:
        ends = said.get("min_rating", 0), said.get("max_rating", 100)
        return {"kind": "number", "scale": ends}
    return {"kind": "text"} if of_type in FREE else {}


def _before(said: Mapping[object, object]) -> dict[str, object]:
    before: dict[str, object] = {}
    if said.get("system") is not None:
        before["system"] = said["system"]
    if said.get("context"):
        before["before"] = _turns(said["context"])
    return before


def _turns(messages: object) -> object:
    """Messages as our form has turns; what are none is left to its validation."""
    if not isinstance(messages, list) or not all(isinstance(one, dict) for one in messages):
        return messages
    return [{one.get("role"): one.get("content")} for one in messages]


def _conversations(question: Heard, said: Mapping[object, object]) -> list[Heard]:
    """A question each, where there are several."""
    begun = next((key for key in ("paraphrases", "context") if said.get(key)), None)
    if begun:
        return [_not(question, f"`messages` and `{begun}` both say what comes first; drop one")]
    messages = said["messages"]
    question = replace(question, entry={**question.entry, **_before(said)})
    chats = messages if isinstance(messages, list) else []
    if chats and all(isinstance(one, dict) for one in chats):
        chats = [chats]
    if not chats or not all(isinstance(chat, list) and chat for chat in chats):
        return [_not(question, "`messages` is no list of conversations")]
    return [
        _conversation(question, chat, f"{question.name}_{n}" if len(chats) > 1 else question.name)
        for n, chat in enumerate(chats, start=1)
    ]


def _conversation(question: Heard, chat: list[object], name: str) -> Heard:
    turns = _turns(chat)
    if not isinstance(turns, list):
        return _not(question, "`messages` is no list of conversations")
    entry: dict[str, object] = {**question.entry, "name": name}
    if "assistant" in turns[-1]:
        entry["prefill"] = turns.pop()["assistant"]
    if not turns or "user" not in turns[-1]:
        return _not(question, "a conversation of `messages` ends with nothing that a user says")
    entry["wordings"] = [turns.pop()["user"]]
    return Heard({**entry, "before": turns}, question.placed, question.notes)


FORM = Form("llmcomp", lambda said: "paraphrases" in said or "messages" in said, heard)
