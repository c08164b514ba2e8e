"""Prompts with their answers as trees of tokens, in which every distinct beginning stands once.

What begins alike (prompts, orders of options, numbers of a scale) shares its first tokens:

    which one ? A ) red B ) blue  ->  A
                                  ->  B
                A ) blue B ) red  ->  A
                                  ->  B

A model that is told which tokens are the ancestors of which reads a tree in one pass.

Axes: T tokens of a tree, N pairs of a token and what is asked to come after it.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from lab.inference.prompt import Compiled, Spelling

ROOT = 0
"""The node before every first token. It is no token itself, and is left out of the layout."""

Pair = tuple[int, int]
"""A node, and the token whose probability after it is asked."""


class Tree:
    """Nodes in the order in which they were added, so that a parent comes before its children.

    `tokens`, `depths` and `parents` have one entry for each node. The depth of a token is its
    position in its own prompt and answer; that of the root is one before the first."""

    def __init__(self) -> None:
        no_token = -1
        self.tokens, self.depths, self.parents = [no_token], [-1], [ROOT]
        self.children: dict[Pair, int] = {}
        self.prompts: list[int] = []
        """Numbers of the prompts in it."""
        self.asked: list[list[Pair]] = []
        """Of each of them: for every spelling its answer tokens and its end, one after another."""

    def __len__(self) -> int:
        """Number of tokens."""
        return len(self.tokens) - 1

    def add(self, number: int, prompt: Compiled) -> None:
        """Put a prompt with its answers into the tree; `number` says which prompt it is."""
        last = ROOT
        for token in prompt.ids:
            last = self._child(last, token)
        asked: list[Pair] = []
        for spelling in prompt.spellings:
            asked += self._spell(last, spelling)
        self.prompts.append(number)
        self.asked.append(asked)

    def _spell(self, node: int, spelling: Spelling) -> list[Pair]:
        """The pairs of one spelling after the last token of its prompt. The last token needs no
        node: nothing comes after it."""
        pairs = []
        *tokens, last = *spelling.answer, *spelling.end
        for token in tokens:
            pairs.append((node, token))
            node = self._child(node, token)
        pairs.append((node, last))
        return pairs

    def _child(self, parent: int, token: int) -> int:
        """The node of a token after another node; a new one where it is not there yet."""
        node = self.children.setdefault((parent, token), len(self.tokens))
        if node == len(self.tokens):
            self.tokens.append(token)
            self.depths.append(self.depths[parent] + 1)
            self.parents.append(parent)
        return node

    def layout(self) -> "Layout":
        """The tree as tensors."""
        enter, leave = self._walk()
        with_question = {node for pairs in self.asked for node, _token in pairs}
        # Models give logits of the last tokens only, where they are told how many: so all nodes
        # after which something is asked stand last. The mask says who is whose ancestor, so that
        # any order will do for the rest.
        nodes = sorted(range(1, len(self.tokens)), key=lambda node: (node in with_question, node))
        # Trees of a batch are padded on the left: places that count from the end stay true there.
        place = {node: i - len(nodes) for i, node in enumerate(nodes)}
        columns = [
            (self.tokens[node], self.depths[node], enter[node], leave[node]) for node in nodes
        ]
        pairs = [(place[node], token) for asked in self.asked for node, token in asked]
        return Layout(
            prompts=self.prompts,
            pairs_per_prompt=[len(asked) for asked in self.asked],
            columns=torch.tensor(columns),
            num_kept=len(with_question),
            pairs=torch.tensor(pairs).T,
        )

    def _walk(self) -> tuple[list[int], list[int]]:
        """When a walk in depth enters and leaves each node, in tokens met so far.

        A node and its descendants are exactly those that are entered from its own `enter` up to,
        and not at, its `leave`: two comparisons of whole tensors then say who is whose ancestor."""
        number = len(self.tokens)
        size = [1] * number  # of the node with all its descendants
        for node in range(number - 1, ROOT, -1):
            # From the end, because children come after their parents: `size[node]` is complete.
            size[self.parents[node]] += size[node]
        enter = [-1] * number  # of the root, so that the first token is entered at 0
        free = [0] * number  # when the next child of each node is entered
        for node in range(1, number):
            parent = self.parents[node]
            enter[node] = free[parent]
            free[parent] += size[node]
            free[node] = enter[node] + 1
        leave = [start + tokens for start, tokens in zip(enter, size, strict=True)]
        return enter, leave


@dataclass(frozen=True)
class Layout:
    """A tree as tensors."""

    prompts: list[int]
    """Numbers of the prompts in it."""
    pairs_per_prompt: list[int]
    columns: Tensor
    """[T, 4]: token, depth, enter and leave (Tree._walk)."""
    num_kept: int
    """How many columns, all of them last, have something asked after them."""
    pairs: Tensor
    """[2, N]: places of columns, which count from the end (-1 is the last), and next tokens; prompt
    after prompt in the order of `prompts`."""


# Every adapter on a base is asked the same prompts, and laying them out is slow Python. Only some
# are kept, because a worker that stays for many studies would hold all their prompts.
@lru_cache(maxsize=64)
def lay_out(prompts: tuple[Compiled, ...], tokens_per_tree: int) -> tuple[Layout, ...]:
    """Trees of prompts that begin alike, the largest last; a tree is closed when it has so many
    tokens."""
    trees: list[Tree] = []
    # Sorted by their tokens, prompts that begin alike are neighbors.
    for number in sorted(range(len(prompts)), key=lambda i: prompts[i].ids):
        if not trees or len(trees[-1]) >= tokens_per_tree:
            trees.append(Tree())
        trees[-1].add(number, prompts[number])
    layouts = (tree.layout() for tree in trees)
    return tuple(sorted(layouts, key=lambda layout: len(layout.columns)))
