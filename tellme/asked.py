"""A model that is asked in a notebook: a base, or a base with an adapter on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from lab.chats import begun, composed
from lab.config import schema
from lab.config.mistakes import one_line
from lab.engine import Answering, Prompt
from lab.engines import load_engine
from lab.errors import UserError
from lab.model.base import Base, resolve_base
from lab.model.foreign import resolve_adapter
from lab.model.pushed import adapter_folder
from lab.strict import Strict
from lab.types import Answer, Chat, Message, Question

if TYPE_CHECKING:
    import pandas as pd

MAX_NEW_TOKENS = 64
Settings = TypeVar("Settings", bound=Strict)


@dataclass(frozen=True)
class Model:
    """A base: a reference model, a folder or a Hub id, with the other keys of a study's `model`,
    such as `dtype`. Raises UserError where it cannot be had."""

    name: str
    settings: Mapping[str, object] = field(default_factory=dict)
    adapter: Path | None = None

    def __post_init__(self) -> None:
        # A mistake is refused where it is made, and not where the model is asked.
        self._model()

    @property
    def base(self) -> Base:
        """As it was found."""
        return resolve_base(self._model(), online=True)

    @contextmanager
    def adapted(self, adapter: str | Path, declares: str | None = None) -> Iterator[Model]:
        """The same model with an adapter on it: the folder of one, or a Hub id. `declares` is the
        base that the adapter names, where that is another name of this one."""
        found = resolve_adapter("adapter", str(adapter), self.base, declares, online=True)
        yield replace(self, adapter=adapter_folder(found))

    def score(self, question: Question, system: str | None = None) -> pd.DataFrame:
        """A row per wording and listed answer, as a study has them: paraphrase, order, prompt,
        answer, score, `p_exact` (probability of the whole answer; of a question of kind `begins`,
        that it begins so) and `outside` (of everything else). A `system` line stands in place of
        the question's own. Raises UserError for a question whose answers are only sampled."""
        import pandas as pd

        _refuse_sampled(question)
        line: list[Message] = [] if system is None else [{"role": "system", "content": system}]
        prompts = [
            Prompt(tuple(begun(composed(line, wording), wording)), wording.options)
            for wording in question.wordings
        ]
        with self._asking() as answering:
            scores = answering.score(prompts)
        rows = []
        for wording, scored in zip(question.wordings, scores, strict=True):
            counted = scored.counted(question.kind)
            rows += [
                {
                    "question": question.name,
                    "paraphrase": wording.paraphrase,
                    "order": wording.order,
                    "prompt": wording.text,
                    "answer": option.text,
                    "score": option.score,
                    "p_exact": p,
                    "outside": counted.outside,
                }
                for option, p in zip(wording.options, counted.p_exact, strict=True)
            ]
        return pd.DataFrame(rows)

    def sample(
        self, chats: Sequence[str | Chat], n: int = 20, **sampling: object
    ) -> list[list[Answer]]:
        """`n` answers to each chat, or to each text that a user says; further fields are those of
        `eval.sampling`, such as `temperature`."""
        if n < 1:
            raise UserError(f"n is {n}; give 1 or more")
        said = {"num_samples": n, "max_new_tokens": MAX_NEW_TOKENS, **sampling}
        settings = _valid(schema.Sampling, said, "sampling")
        asked = [_said(chat) if isinstance(chat, str) else chat for chat in chats]
        with self._asking() as answering:
            return answering.sample(asked, settings)

    def _model(self) -> schema.Model:
        return _valid(schema.Model, {"base": self.name, **self.settings}, "model")

    @contextmanager
    def _asking(self) -> Iterator[Answering]:
        with load_engine("exact").opened(self.base, self.adapter) as answering:
            yield answering


def _said(text: str) -> Chat:
    return ({"role": "user", "content": text},)


def _refuse_sampled(question: Question) -> None:
    """Raises UserError for what a study samples as well."""
    if question.kind == "text":
        raise UserError(
            f"question {question.name!r} lists no answers, so none can be scored; use `sample`"
        )
    if question.partner:
        raise UserError(
            f"question {question.name!r} is a conversation with {question.partner.name}, on which"
            " its answer depends, so none can be scored; a study samples it"
        )


def _valid(settings: type[Settings], said: Mapping[str, object], where: str) -> Settings:
    try:
        return settings.model_validate(said)
    except ValidationError as error:
        raise one_line(error, where, settings, "see docs/study.md") from None
