"""A model that judges: who reads an answer, what it is told, and which verdicts it may give. It is
a value: what a study or a file of questions says of it identifies it (docs/judges.md)."""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from lab.errors import unknown
from lab.strict import Strict

ANSWER, QUESTION, OPTIONS = "{answer}", "{question}", "{options}"
"""In a prompt, what stands for the answer, for what was asked, and for verdicts under letters."""
SLOTS = re.compile(r"\{(answer|question|options)\}")
SCALE = re.compile(r"([0-9]{1,4})\s*-\s*([0-9]{1,4})")
"""A scale of whole numbers, as in `0-100`."""
MOST_NUMBERS = 1001
"""Of a scale: each is a verdict whose probability is read."""
ASIDE = ("CODE", "REFUSAL")
"""Beside the numbers of a scale: what a judge may say of an answer that is code, or that refuses to
answer (Betley et al. 2025, "Emergent misalignment"). Neither has a score."""
MOST_LISTED = 26
"""Verdicts that letters name."""
Status = Literal["read", "word", "unread", "truncated", "unparsed", "refused", "aside", "failed"]
"""Of a grade. `word` is a single word that is not listed, where any is a fair answer, `unread` no
listed answer, `unparsed` what should be code or JSON and is none. Of a model that judges:
`unparsed` where it gave no verdict of its list, `refused` and `aside` where it gave one that has no
score (a refusal, anything else), `failed` where it could not be asked."""


class Verdict(NamedTuple):
    """What a judge may say."""

    text: str
    score: float | None
    """In [0, 1]; None where an answer of which it is said has no part in any mean."""


def _verdicts(value: object) -> object:
    """A scale as it is; a mapping of texts to scores as verdicts."""
    if not isinstance(value, dict):
        return value
    if any(isinstance(text, bool) for text in value):
        raise ValueError(
            "YAML reads yes, no, true and false as truth values; put these verdicts in quotes"
        )
    return tuple((str(text), score) for text, score in value.items())


Verdicts = Annotated[str | tuple[Verdict, ...], BeforeValidator(_verdicts)]
"""`0-100`, or texts with their scores."""


class ModelJudge(Strict):
    """A model that reads answers."""

    name: str | None = Field(default=None, min_length=1)
    """What rows and reports call it; without it the name of its file, or that of its model."""
    model: str = Field(min_length=1)
    """As `model.base` of a study."""
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    quantization: Literal["nf4", "int8"] | None = None
    adapter: str | None = None
    """A PEFT adapter on it: a folder or a Hub id."""
    engine: str = "exact"
    """Who gives its verdicts: a file of lab/engines/, or the path of one."""
    system: str | None = None
    """The system line before the prompt."""
    prompt: str = Field(min_length=1)
    """What it is told, with {answer} and {question}; or the file in which that stands."""
    named: str | None = None
    """Which prompt of a file that has several."""
    answers: Verdicts
    """Which verdicts it may give."""

    @property
    def title(self) -> str:
        """What rows and reports call it."""
        return self.name or self.model.rstrip("/").rpartition("/")[2]

    @property
    def is_told(self) -> bool:
        """Whether `prompt` is what it is told, and not the file of that."""
        return ANSWER in self.prompt

    @property
    def lists(self) -> bool:
        """Whether its verdicts are listed under letters, of which it says one."""
        return OPTIONS in self.prompt

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Everything that it may say."""
        if not isinstance(self.answers, str):
            return self.answers
        low, high = _ends(self.answers)
        numbers = (Verdict(str(n), (n - low) / (high - low)) for n in range(low, high + 1))
        return (*numbers, *(Verdict(text, None) for text in ASIDE))

    def filled(self, question: str, answer: str, options: str = "") -> str:
        """What it is told of one answer. Braces within an answer stay what they are."""
        said = {"answer": answer, "question": question, "options": options}
        return SLOTS.sub(lambda slot: said[slot[1]], self.prompt)

    @model_validator(mode="after")
    def _prompt_holds_it(self) -> Self:
        if self.named and self.is_told:
            raise ValueError("`named` is of a file of prompts, and `prompt` is the prompt itself")
        if self.lists and isinstance(self.answers, str):
            raise ValueError("{options} lists verdicts under letters, and a scale has none to list")
        return self

    @model_validator(mode="after")
    def _tells_apart(self) -> Self:
        if isinstance(self.answers, str):
            _ends(self.answers)
            return self
        texts = [verdict.text for verdict in self.answers]
        if len({text.casefold() for text in texts}) < len(texts) or not all(map(str.strip, texts)):
            raise ValueError("each of `answers` is a text of its own")
        scores = [verdict.score for verdict in self.answers if verdict.score is not None]
        if not all(0 <= score <= 1 for score in scores) or len(set(scores)) < 2:
            raise ValueError(
                "`answers` give scores in [0, 1], two different ones at least; null is for what"
                " has none, such as a refusal"
            )
        if self.lists and len(texts) > MOST_LISTED:
            raise ValueError(f"at most {MOST_LISTED} verdicts can be listed under letters")
        return self


def _ends(scale: str) -> tuple[int, int]:
    """The ends of a scale. Raises ValueError for what is none."""
    found = SCALE.fullmatch(scale.strip())
    low, high = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 0 < high - low < MOST_NUMBERS:
        raise ValueError(
            f"`answers` {scale!r} is no scale of at most {MOST_NUMBERS} whole numbers, such as"
            " 0-100, and no mapping of verdicts to scores"
        )
    return low, high


def _named(value: object) -> object:
    """A name as it is; a mapping as the model that it describes."""
    if isinstance(value, str | ModelJudge) and value:
        return value
    if not isinstance(value, dict):
        raise ValueError(
            "give the name of a judge, the path of its file, or a mapping with `model`"
        )
    try:
        return ModelJudge.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"][:1]))
        if first["type"] == "extra_forbidden":
            raise ValueError(str(unknown("key", key, ModelJudge.model_fields))) from None
        said = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{key}: {said}" if key else said) from None


Named = Annotated[str | ModelJudge, BeforeValidator(_named)]
"""A judge as a study or a question names it: a rule by its name or file, or a model."""
