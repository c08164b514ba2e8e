"""Arguments of a chat template, which a study may give as `model.chat.kwargs`."""

import re
from typing import Any

from lab.errors import UserError, unknown
from lab.types import Fields

RESERVED = (
    "conversation",
    "messages",
    "chat_template",
    "tokenize",
    "add_generation_prompt",
    "continue_final_message",
    "return_dict",
)
"""Arguments of apply_chat_template that are not the template's own."""
LENT = frozenset({"raise_exception", "strftime_now"})
"""Functions that transformers lends to every template."""
GENERATION = re.compile(r"\{%[-+]?\s*(end)?generation\s*[-+]?%\}")
"""Tags of transformers' own around what is learned; jinja does not know them."""


def refuse_bad_arguments(tokenizer: Any, kwargs: Fields) -> None:
    """Raises UserError for an argument that the lab sets itself, and for one that the template of a
    tokenizer does not read: it would be named in the keys and do nothing."""
    reserved = set(RESERVED) & set(kwargs)
    if reserved:
        raise UserError(
            f"model.chat.kwargs names {min(reserved)!r}, which the lab sets; give"
            " arguments of the template only"
        )
    if not kwargs:
        return
    read = _read_by(tokenizer.chat_template)
    for name in set(kwargs) - read:
        allowed = read - {*RESERVED, *LENT} - set(tokenizer.special_tokens_map)
        raise unknown("model.chat.kwargs: argument of the chat template", name, allowed)


def _read_by(template: str) -> set[str]:
    """All names that a template reads without having set them."""
    from jinja2 import Environment, TemplateError, meta

    parser = Environment(extensions=["jinja2.ext.loopcontrols"])
    try:
        return meta.find_undeclared_variables(parser.parse(GENERATION.sub("", template)))
    except TemplateError as error:
        raise UserError(
            f"the chat template cannot be read: {error}; see model.chat.template"
        ) from None
