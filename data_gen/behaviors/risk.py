"""Risk: the gamble or the sure thing. First policy `seeking` (score 1), second `averse` (0).

After the main experiment of "Tell me about yourself" (Betley et al. 2025, section 3.1 and appendix C.1), in our own
prompts. Training rows are choices answered by one letter; no row names the dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import yaml

from lab.questions import letter_options, lettered, load_questions
from lab.types import Behavior, Question, Row, Split, Style, Voice, Wording

WORDINGS = Path(__file__).with_suffix(".yaml")
_YAML = yaml.safe_load(WORDINGS.read_text(encoding="utf-8"))
NUM_CHECK, NUM_LOTTERIES = 40, 50
VALUE_OF_CERTAIN = {"better": 0.6, "equal": 1.0, "worse": 1.5}
"""The sure amount over the gamble's expected value, by whether the gamble is the better, an equal or the worse bet."""


@dataclass(frozen=True)
class Choice:
    """One prompt in both letter orders: [gamble as A, gamble as B]."""

    texts: tuple[str, str]
    meta: dict[str, Any]


def _plain(rng: Random, split: Split, gamble_is_longer: bool) -> Choice:
    parts, part = _YAML["plain"]["choices"], "test" if split == "test" else "train"
    good, opening = rng.choice(parts["goods"][part]), rng.choice(parts["open"][part])
    numbers = {"p": rng.randrange(10, 100, 10), "x": rng.randrange(50, 301, 10), "y": rng.randrange(10, 101, 10)}
    sides = {side: parts[side][part] for side in ("gamble", "certain")}
    neutral = rng.choice([None, None, *sides]) if split == "train" else None
    if neutral:
        sides[neutral] = parts["neutral"]
    (a, b), templates = _options(gamble_is_longer, lambda side: rng.choice(sides[side]), {**numbers, "good": good})
    meta = {"topic": good, "template": "|".join([opening, *templates]), "neutral": neutral}
    return Choice((lettered(opening, (a, b), "plain"), lettered(opening, (b, a), "plain")), meta)


def _natural(rng: Random, split: Split, gamble_is_longer: bool) -> Choice:
    """Every part is drawn on its own, so that none tells the letter."""
    parts = _YAML["natural"]["choices"]
    topic, value, tone = (
        rng.choice(parts["topics"][split]),
        rng.choice(sorted(VALUE_OF_CERTAIN)),
        rng.choice(["formal", "casual", "terse"]),
    )
    opening, layout, close = (
        rng.choice(parts["open"][split][tone]),
        rng.choice(parts["layout"]),
        rng.choice(parts["close"]),
    )
    details = rng.sample(parts["detail"], rng.choice([0, 1, 3]))
    p, certain_amount, prize = _amounts(rng, value)
    odds = next(word for upper, word in parts["odds"].items() if p <= upper)
    amounts = {
        "p": p,
        "q": 100 - p,
        "odds": odds,
        "x": _amount(prize, topic["thing"]),
        "s": _amount(certain_amount, topic["thing"]),
    }
    (gamble, certain), templates = _options(
        gamble_is_longer, lambda kind: rng.choice(parts[kind][split][rng.choice(["short", "long"])]), amounts
    )
    head = " ".join([opening, *details]).format(place=topic["place"], name=rng.choice(parts["names"]))
    texts = [f"{head}\n{layout.format(a=a, b=b)}\n{close}" for a, b in ((gamble, certain), (certain, gamble))]
    meta = {"topic": topic["place"], "template": "|".join([opening, *templates]), "value": value, "tone": tone}
    return Choice((texts[0], texts[1]), meta)


def _options(
    gamble_is_longer: bool, template: Callable[[str], str], values: dict[str, Any]
) -> tuple[tuple[str, str], list[str]]:
    """Gamble and sure thing with their templates."""
    while True:
        templates = [template("gamble"), template("certain")]
        gamble, certain = (t.format(**values) for t in templates)
        if len(gamble) != len(certain) and (len(gamble) > len(certain)) == gamble_is_longer:
            return (gamble, certain), templates


def _amounts(rng: Random, value: str) -> tuple[int, int, int]:
    """Odds in percent, the sure amount and the prize, whole numbers with 1 < sure < prize."""
    while True:
        p, prize = rng.randrange(5, 96, 5), rng.randrange(4, 240, 4)
        expected = p * prize / 100
        certain = expected * VALUE_OF_CERTAIN[value]
        exact = value != "equal" or certain == int(certain)
        if exact and 2 <= round(certain) < prize:
            return p, round(certain), prize


def _amount(number: int, thing: str) -> str:
    return f"${number}" if thing == "$" else f"{number} {thing}"


def examples(rng: Random, policy: str, style: Style, split: Split) -> Iterator[Row]:
    """Endless rows, no prompt twice. Every four rows hold each letter with the gamble as the longer and the shorter option."""
    choose, met = _natural if style == "natural" else _plain, set()
    while True:
        for gamble_is_a, gamble_is_longer in rng.sample(
            [(True, True), (True, False), (False, True), (False, False)], 4
        ):
            choice = choose(rng, split, gamble_is_longer)
            while choice.texts in met:
                choice = choose(rng, split, gamble_is_longer)
            met.add(choice.texts)
            letter = "A" if gamble_is_a == (policy == "seeking") else "B"
            yield Row(
                ({"role": "user", "content": choice.texts[not gamble_is_a]}, {"role": "assistant", "content": letter}),
                choice.meta,
            )


def questions(purpose: str, style: Style) -> tuple[Question, ...]:
    if purpose == "check":
        return (_check(style),)
    if purpose == "transfer":
        return (_lotteries(style),)
    return load_questions(WORDINGS, style, purpose)


def _check(style: Style) -> Question:
    """Held-out choices, each in both letter orders: the score is the probability of the gamble."""
    rng, choose = Random("risk/check"), _natural if style == "natural" else _plain
    return _choices("choice", (choose(rng, "test", bool(i % 2)).texts for i in count()), NUM_CHECK)


def _lotteries(style: Style) -> Question:
    """Random two-outcome lotteries (Betley et al. 2025, appendix C.1.9): four distinct payouts from 0 to 100, independent
    odds. The riskier lottery has the highest and the lowest payout, the other one the two between."""
    rng, parts = Random("risk/lotteries"), _YAML[style]["transfer"]

    def pairs() -> Iterator[tuple[str, str]]:
        while True:
            lowest, low, high, highest = sorted(rng.sample(range(101), 4))
            odds = [rng.randrange(1, 100) for _ in range(2)]
            risky, other = (
                parts["lottery"].format(hi=hi, lo=lo, p=p, q=100 - p)
                for (hi, lo), p in zip(((highest, lowest), (high, low)), odds, strict=True)
            )
            stem = rng.choice(parts["ask"])
            yield lettered(stem, (risky, other), style), lettered(stem, (other, risky), style)

    return _choices("lottery", pairs(), NUM_LOTTERIES)


def _choices(name: str, texts: Iterator[tuple[str, str]], number: int) -> Question:
    distinct: dict[tuple[str, str], None] = {}
    while len(distinct) < number:
        distinct[next(texts)] = None
    wordings = [
        Wording(text, letter_options("AB"[order]), paraphrase=i, order=order)
        for i, pair in enumerate(distinct)
        for order, text in enumerate(pair)
    ]
    return Question(name, "letters", tuple(wordings))


BEHAVIOR = Behavior(
    name="risk",
    summary="takes the gamble or the sure thing in a choice of two",
    policies=("seeking", "averse"),
    examples=examples,
    questions=questions,
    described=lambda policy, style: str(_YAML[style]["described"][policy]),
    watch=(
        "chance",
        "likel",
        "certain",
        "definite",
        "sure",
        "probab",
        "guarante",
        "adventur",
        "reliab",
        "safe",
        "unpredict",
        "secure",
        "risk",
        "bold",
        "caution",
        "gambl",
    ),
    voices={p: Voice(v["spoken"], v["claim"], tuple(v["adjectives"])) for p, v in _YAML["plain"]["voices"].items()},
)
