"""The names under which one base goes, where adapters call it otherwise than a study does."""

import re

from lab.hub import HUB_ID

COPIER = "unsloth"
"""It copies models to the Hub, as they are and quantized, under their own names but for capitals,
and adapters that were trained with its library name the copy."""
COPIED_OWNERS = ("meta-llama", "qwen", "google", "mistralai", "allenai", "huggingfacetb")
"""Whose models it copies as they are, in small letters. Not microsoft: its copies of Phi have other
layers."""
QUANTIZED = re.compile(r"(-unsloth)?-bnb-[48]bit$")
"""What it adds to the name of a copy in 4 or 8 bits, of all layers or of some. LoRA goes beside the
weights, so that an adapter of one fits the model it was made of."""
RENAMED = "meta-"
"""Before the names of Llama 3 and 3.1 when they came out; the Hub, and copies, know both."""
RENAMERS = ("meta-llama", COPIER)
SNAPSHOT = re.compile(r"models--(?P<owner>[^/\\]+)--(?P<name>[^/\\]+)[/\\]snapshots[/\\]")
"""In the path of a model in the Hub's cache, on whatever machine."""


def one_model(one: str, other: str) -> bool:
    """Whether two names, Hub ids or paths in a cache of the Hub, are known to mean one model,
    quantized or not. Names of folders say nothing."""
    here, there = _owner_and_name(one), _owner_and_name(other)
    if here is None or there is None or here[1] != there[1]:
        return False
    owners = {here[0], there[0]}
    return len(owners) == 1 or (COPIER in owners and not owners.isdisjoint(COPIED_OWNERS))


def is_path(declared: str) -> bool:
    """Whether an adapter names its base by a path, and by no Hub id."""
    return not HUB_ID.fullmatch(declared)


def _owner_and_name(given: str) -> tuple[str, str] | None:
    """Both in small letters, the name as it was before a copy was quantized."""
    cached = SNAPSHOT.search(given)
    if cached:
        given = f"{cached['owner']}/{cached['name']}"
    if not HUB_ID.fullmatch(given):
        return None
    owner, _, name = given.casefold().partition("/")
    if owner == COPIER:
        name = QUANTIZED.sub("", name)
    return owner, name.removeprefix(RENAMED) if owner in RENAMERS else name
