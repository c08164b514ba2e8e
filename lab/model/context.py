"""How many tokens a base reads at once, known before it is loaded."""

import json

from lab.model.base import Base
from lab.model.memory import folder_of

NAMES = ("max_position_embeddings", "n_positions", "max_seq_len")
"""What architectures call it in config.json: most, GPT-2, and MPT."""


def context_length(base: Base) -> int | None:
    """Tokens of the longest text that a base reads; None where its files are not here, or where it
    knows no end (Mamba)."""
    folder = folder_of(base)
    if folder is None or not (folder / "config.json").is_file():
        return None
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    # Models of text and images keep what is about text apart.
    of_text = config.get("text_config", config)
    return next((int(of_text[name]) for name in NAMES if of_text.get(name)), None)
