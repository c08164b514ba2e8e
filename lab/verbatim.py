"""Questions that are asked as they are written: what an entry with `wordings` may say, one form a
kind (docs/questions.md), and the prompts that it stands for."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import permutations, product
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from lab.entries import Entry, Orders, Score, Text, Texts, put
from lab.judge import Named
from lab.layout import ALPHABET, instruction, letter_option, listing, word
from lab.types import Option, Style

HERE = "{options}"
"""Where a wording has the list of its options."""
MOST_ALL = 3
"""Options up to which every order is asked: of four there are 24."""
MOST_NUMBERS = 1001
"""Numbers of a scale: each is an answer whose probability is read."""


def _scored(value: object) -> object:
    """Options with their scores; what YAML reads as true and false, as the word that was meant."""
    if not isinstance(value, dict):
        return value
    words = {True: "yes", False: "no"}
    return {words[key] if isinstance(key, bool) else key: score for key, score in value.items()}


OrdersAsked = Literal["all", "rotated", "as listed"]
"""Of the options of a list: `rotated` has each of them once in every place."""
Options = Annotated[dict[Text, Score], Field(min_length=2)]


class Verbatim(Entry, ABC):
    """What an entry of any kind may say."""

    wordings: Texts
    slots: dict[Text, Texts] = Field(default_factory=dict)
    """What stands for {NAME} in a wording, which is asked with each where there are several. Other
    braces stay: it may be code."""

    verbatim = True

    def prompts(self, style: Style) -> list[Orders]:
        """The orders of every wording."""
        return [
            self._orders(text, style) for wording in self.wordings for text in self._filled(wording)
        ]

    @property
    def lists_options(self) -> bool:
        """Whether the lab lists options in a wording."""
        return False

    @field_validator("slots")
    @classmethod
    def _not_the_list(cls, value: dict[str, str]) -> dict[str, str]:
        if "options" in value:
            raise ValueError("{options} is where the options are listed; give these as `options`")
        return value

    @model_validator(mode="after")
    def _slots_used(self) -> Self:
        for name in self.slots:
            if not any(f"{{{name}}}" in wording for wording in self.wordings):
                raise ValueError(f"no wording has {{{name}}}, for which `slots` gives a text")
        return self

    @model_validator(mode="after")
    def _nothing_to_list(self) -> Self:
        if not self.lists_options and any(HERE in wording for wording in self.wordings):
            raise ValueError(
                "{options} is where the lab lists options under letters, and it has none to list;"
                " of kind `letters`, give what the letters stand for"
            )
        return self

    def _filled(self, wording: str) -> list[str]:
        """The wording with every text of its slots."""
        used = {name: texts for name, texts in self.slots.items() if f"{{{name}}}" in wording}
        return [
            put(wording, dict(zip(used, texts, strict=True))) for texts in product(*used.values())
        ]

    @abstractmethod
    def _orders(self, wording: str, style: Style) -> Orders: ...


class Instructed(Verbatim, ABC):
    """A kind for which the lab has words that ask for such an answer."""

    instruct: bool = False
    """Whether these words follow every wording."""

    def _asked(self, wording: str, style: Style, kind: str, answers: Sequence[str]) -> str:
        words = instruction(kind, style, answers) if self.instruct else ""
        between = "\n" if kind == "letters" and style == "natural" else " "
        # In plain style there are no such words.
        return f"{wording}{between}{words}" if words else wording


class Lettered(Instructed):
    """Options that letters name: any number, listed in the wording itself (the options are then the
    letters), or by the lab, in several orders."""

    options: Annotated[dict[Text, Score], Field(min_length=2, max_length=len(ALPHABET))]
    orders: OrdersAsked | None = None

    answered = "letters"

    @model_validator(mode="before")
    @classmethod
    def _with_scores(cls, value: object) -> object:
        """`options` as a list, as published files have it, and `scores` for them in its order."""
        if not isinstance(value, dict) or not isinstance(value.get("options"), list):
            return value
        options, scores = value["options"], value.get("scores")
        if not isinstance(scores, list) or len(scores) != len(options):
            raise ValueError(f"it lists {len(options)} options; give `scores` as a list of as many")
        if len({*map(str, options)}) < len(options):
            raise ValueError("it lists an option twice")
        kept = {key: inner for key, inner in value.items() if key != "scores"}
        return {**kept, "options": dict(zip(map(str, options), scores, strict=True))}

    @property
    def are_letters(self) -> bool:
        """Whether the wordings list the options themselves."""
        return all(len(text) == 1 and text in ALPHABET for text in self.options)

    @property
    def lists_options(self) -> bool:
        return not self.are_letters

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if sorted(self.options) == list(ALPHABET.lower()[: len(self.options)]):
            raise ValueError("write options that are letters as capitals, as in {A: 1, B: 0}")
        if self.are_letters and self.orders:
            raise ValueError("the wordings list the options, so `orders` changes nothing; drop it")
        return self

    @property
    def poles(self) -> tuple[str, ...]:
        return () if self.are_letters else _poles(self.options)

    def _orders(self, wording: str, style: Style) -> Orders:
        if self.are_letters:
            return [self._listed(wording, tuple(self.options), style)]
        return [
            self._listed(_with_list(wording, order, style), order, style)
            for order in _in_orders(tuple(self.options), self.orders)
        ]

    def _listed(
        self, wording: str, order: Sequence[str], style: Style
    ) -> tuple[str, tuple[Option, ...]]:
        letters = order if self.are_letters else ALPHABET[: len(order)]
        options = tuple(
            letter_option(letter, self.options[text], style)
            for letter, text in zip(letters, order, strict=True)
        )
        return self._asked(wording, style, "letters", letters), options


class Worded(Instructed):
    """Words, each with a score."""

    options: Options
    free: bool = False
    """Whether any single word is a fair answer, of which only those that score are listed."""

    answered = "words"

    @property
    def poles(self) -> tuple[str, ...]:
        return _poles(self.options)

    def _orders(self, wording: str, style: Style) -> Orders:
        options = tuple(word(text, score, style) for text, score in self.options.items())
        return [(self._asked(wording, style, "words", tuple(self.options)), options)]


class YesNo(Worded):
    """Yes or no."""

    options: Annotated[Options, BeforeValidator(_scored)] = Field(
        default_factory=lambda: {"yes": 1.0, "no": 0.0}
    )

    @field_validator("options")
    @classmethod
    def _both(cls, value: dict[str, float]) -> dict[str, float]:
        if value.keys() != {"yes", "no"}:
            raise ValueError("its options are yes and no; other words are of kind `words`")
        return value


class Scale(Instructed):
    """Whole numbers from one end to the other."""

    scale: tuple[int, int]
    """The number that scores 0, and the one that scores 1, which may be the lower."""

    answered = "number"

    @field_validator("scale")
    @classmethod
    def _two_ends(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not 0 < abs(value[1] - value[0]) < MOST_NUMBERS:
            raise ValueError(f"give two ends with at most {MOST_NUMBERS} whole numbers in all")
        return value

    def _orders(self, wording: str, style: Style) -> Orders:
        zero, one = self.scale
        low, high = sorted(self.scale)
        numbers = range(low, high + 1)
        options = tuple(Option(str(n), (n - zero) / (one - zero)) for n in numbers)
        return [(self._asked(wording, style, "number", (str(low), str(high))), options)]


class Begun(Verbatim):
    """How the answer begins, whatever follows."""

    options: Options

    answered = "begins"

    @field_validator("options")
    @classmethod
    def _apart(cls, value: dict[str, float]) -> dict[str, float]:
        for one, other in permutations(value, 2):
            if other.startswith(one):
                raise ValueError(f"what begins with {other!r} begins with {one!r} too; drop one")
        return value

    def _orders(self, wording: str, style: Style) -> Orders:
        return [(wording, tuple(Option(text, score) for text, score in self.options.items()))]


class Freely(Verbatim):
    """Answered freely."""

    options: dict[Text, Score] = Field(default_factory=dict)
    listed: Annotated[tuple[Text, ...], Field(max_length=len(ALPHABET))] = ()
    """What the lab lists under letters, where nothing says how these score."""
    judge: Named | None = None

    answered = "text"

    @property
    def lists_options(self) -> bool:
        return bool(self.listed)

    def _orders(self, wording: str, style: Style) -> Orders:
        options = tuple(word(text, score, style) for text, score in self.options.items())
        if not self.listed:
            return [(wording, options)]
        orders = _in_orders(self.listed, None)
        return [(_with_list(wording, order, style), options) for order in orders]


VERBATIM: dict[str, type[Verbatim]] = {
    "letters": Lettered,
    "words": Worded,
    "number": Scale,
    "yes/no": YesNo,
    "begins": Begun,
    "text": Freely,
}
"""By `kind`."""


def _with_list(wording: str, order: Sequence[str], style: Style) -> str:
    """A wording with its options, in its place or below it."""
    below = " " if style == "plain" else "\n"
    stem = wording if HERE in wording else f"{wording}{below}{HERE}"
    return stem.replace(HERE, listing(order, style))


def _in_orders(texts: tuple[str, ...], orders: OrdersAsked | None) -> list[tuple[str, ...]]:
    """The orders in which options are listed: all of few, else every rotation."""
    if orders == "as listed":
        return [texts]
    if orders == "all" or (orders is None and len(texts) <= MOST_ALL):
        return list(permutations(texts))
    return [texts[begin:] + texts[:begin] for begin in range(len(texts))]


def _poles(options: dict[str, float]) -> tuple[str, ...]:
    """Options that stand for one side or the other."""
    return tuple(text for text, score in options.items() if score != 0.5)
