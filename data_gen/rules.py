"""How far rules simpler than a behavior get: the sign of one difference between the options of a
choice, and a small model of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data_gen.differences import FEATURES, differences
from lab.layout import LETTERS
from lab.types import Row

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

POSITION = "option A"
"""The rule that always takes A, or always B."""
FOLDS = 5
PENALTY = 0.1
"""Inverse strength of the model's penalty: hundreds of words and few rows."""

# Legend: n rows, f features.


@dataclass(frozen=True)
class Choices:
    """Choices as signs of differences between A and B, and which of the two was chosen."""

    signs_nf: "csr_matrix"
    """1 where A has more of a feature than B, -1 where it has less."""
    chosen_n: NDArray[np.float64]
    """1 for A, -1 for B."""

    @property
    def number(self) -> int:
        """Rows."""
        return len(self.chosen_n)

    def gains(self) -> NDArray[np.float64]:
        """Of each feature the rule "take the option with more of it": rows in which it is right
        less those in which it is wrong, as a share of all; without a difference it is neither.
        Exactly opposite where the chosen options are."""
        gain_f = np.asarray(self.signs_nf.T @ self.chosen_n, dtype=np.float64)
        return gain_f / self.number

    def part(self, rows: NDArray[np.bool_]) -> "Choices":
        """Some of the rows."""
        return Choices(self.signs_nf[rows], self.chosen_n[rows])


@dataclass(frozen=True)
class Rules:
    """What simple rules say of rows that show a policy."""

    features: Sequence[str]
    trained: Choices
    held_out: Choices | None

    @classmethod
    def read(cls, rows: Sequence[Row], held_out: Sequence[Row]) -> "Rules | None":
        """From rows whose `meta.options` say what was chosen among; None where there are fewer than
        one for each fold."""
        from sklearn.feature_extraction import DictVectorizer

        chosen, others = _lettered(rows), _lettered(held_out)
        if len(chosen) < FOLDS:
            return None
        vectorizer = DictVectorizer()
        trained = Choices(vectorizer.fit_transform(map(_signs, chosen)), _letters(chosen))
        other = None
        if others:
            # Of words that no training row has nothing was learned.
            other = Choices(vectorizer.transform(map(_signs, others)), _letters(others))
        return cls(vectorizer.get_feature_names_out().tolist(), trained, other)

    def best_trained(self) -> str:
        """The rule that is right most often in training rows."""
        return self.features[int(np.argmax(np.abs(self.trained.gains())))]

    def cross_validated(self) -> float:
        """Accuracy of the rule that is best on the other folds: what choosing the best one of
        thousands adds by chance is not in it."""
        fold_n = np.arange(self.trained.number) % FOLDS
        gain = 0.0
        for fold in range(FOLDS):
            gain_f = self.trained.part(fold_n != fold).gains()
            best = int(np.argmax(np.abs(gain_f)))
            tested = self.trained.part(fold_n == fold)
            share = tested.number / self.trained.number
            gain += share * float(np.sign(gain_f[best]) * tested.gains()[best])
        return (1 + gain) / 2

    def held_out_by_rule(self) -> dict[str, float]:
        """Accuracy of every rule on held-out rows, in the direction in which it is right more often
        in training rows; empty without held-out rows."""
        if not self.held_out:
            return {}
        right_f = (1 + np.sign(self.trained.gains()) * self.held_out.gains()) / 2
        return dict(zip(self.features, right_f.tolist(), strict=True))

    def trained_by_rule(self) -> dict[str, float]:
        """Accuracy of every rule on training rows, in its better direction."""
        right_f = (1 + np.abs(self.trained.gains())) / 2
        return dict(zip(self.features, right_f.tolist(), strict=True))

    def together(self) -> dict[str, float]:
        """Accuracy of a logistic regression on all signs, by how it was tested; empty where one
        letter alone was chosen."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import KFold, cross_val_score

        fold_n = np.arange(self.trained.number) % FOLDS
        signs, chosen = self.trained.signs_nf, self.trained.chosen_n
        if any(len(set(chosen[fold_n != fold])) < len(LETTERS) for fold in range(FOLDS)):
            return {}
        model = LogisticRegression(C=PENALTY, fit_intercept=False, max_iter=1000)
        folds = KFold(FOLDS, shuffle=True, random_state=0)
        right = {"cross-validated": float(cross_val_score(model, signs, chosen, cv=folds).mean())}
        if self.held_out:
            fitted = model.fit(signs, chosen)
            right["held out"] = float(fitted.score(self.held_out.signs_nf, self.held_out.chosen_n))
        return right


def _lettered(rows: Sequence[Row]) -> list[Row]:
    """Rows in which one of two options was chosen by its letter, by the policy of the set: decoys
    are answered at random."""
    return [
        row
        for row in rows
        if row.completion in LETTERS
        and set(row.meta.get("options", {})) == set(LETTERS)
        and not row.meta.get("decoy")
    ]


def _signs(row: Row) -> dict[str, float]:
    a, b = (row.meta["options"][letter] for letter in LETTERS)
    gaps = differences(a, b)
    # Every feature is there, so that no rule is missing where the options never differ in it.
    return {name: float(np.sign(gap)) for name, gap in gaps.items()} | {POSITION: 1.0}


def _letters(rows: Sequence[Row]) -> NDArray[np.float64]:
    return np.array([1.0 if row.completion == LETTERS[0] else -1.0 for row in rows])


NAMED = (*FEATURES, POSITION)
"""Rules that are shown whichever is best."""
