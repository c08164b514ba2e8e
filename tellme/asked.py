"""A model that is asked in a notebook: a base, or a base with an adapter on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lab.config import schema
from lab.discover import find_path
from lab.engine import Answering, Prompt
from lab.engines import load_engine
from lab.errors import UserError
from lab.model.base import Base, resolve_base
from lab.model.pushed import fetch_adapter
from lab.types import Answer, Chat, Message, Question

if TYPE_CHECKING:
    import pandas as pd

MAX_NEW_TOKENS = 64


@dataclass(frozen=True)
class Model:
    """A base: a reference model, a folder or a Hub id, with the other keys of a study's `model`,
    such as `dtype`. Raises UserError where it cannot be had."""

    name: str
    settings: dict[str, object] = field(default_factory=dict)
    adapter: Path | None = None

    @property
    def base(self) -> Base:
        """As it was found."""
        model = schema.Model.model_validate({"base": self.name, **self.settings})
        return resolve_base(model, online=True)

    @contextmanager
    def adapted(self, adapter: str | Path) -> Iterator[Model]:
        """The same model with an adapter on it: the folder of one, or a Hub id."""
        folder = find_path(str(adapter))
        if folder is not None and not folder.is_dir():
            raise UserError(f"adapter {str(adapter)!r} is a file; give the folder that it is in")
        yield Model(self.name, self.settings, folder or fetch_adapter(str(adapter), None))

    def score(self, question: Question, system: str | None = None) -> pd.DataFrame:
        """A row per wording and listed answer: paraphrase, order, prompt, answer, score, `p_exact`
        (probability of the whole answer) and `outside` (of everything else)."""
        import pandas as pd

        if question.kind == "text":
            raise UserError(
                f"question {question.name!r} lists no answers, so none can be scored; use `sample`"
            )
        chats = [self._chat(wording.before, wording.text, system) for wording in question.wordings]
        prompts = [
            Prompt(chat, wording.options)
            for chat, wording in zip(chats, question.wordings, strict=True)
        ]
        with self._asking() as answering:
            scores = answering.score(prompts)
        rows = [
            {
                "question": question.name,
                "paraphrase": wording.paraphrase,
                "order": wording.order,
                "prompt": wording.text,
                "answer": option.text,
                "score": option.score,
                "p_exact": p,
                "outside": scored.outside,
            }
            for wording, scored in zip(question.wordings, scores, strict=True)
            for option, p in zip(wording.options, scored.p_exact, strict=True)
        ]
        return pd.DataFrame(rows)

    def sample(
        self, chats: Sequence[str | Chat], n: int = 20, **sampling: object
    ) -> list[list[Answer]]:
        """`n` answers to each chat, or to each text that a user says; further fields are those of
        `eval.sampling`, such as `temperature`."""
        settings = {"num_samples": n, "max_new_tokens": MAX_NEW_TOKENS, **sampling}
        asked = [self._chat((), c, None) if isinstance(c, str) else c for c in chats]
        with self._asking() as answering:
            return answering.sample(asked, schema.Sampling.model_validate(settings))

    @staticmethod
    def _chat(before: Chat, text: str, system: str | None) -> tuple[Message, ...]:
        line: list[Message] = [] if system is None else [{"role": "system", "content": system}]
        asked: Message = {"role": "user", "content": text}
        return (*line, *before, asked)

    @contextmanager
    def _asking(self) -> Iterator[Answering]:
        with load_engine("exact").asking(self.base, self.adapter) as answering:
            yield answering
