"""How an answer begins: the probabilities of its first token, read from the logits here, by the
text that a server would return.

Suffixes of tensors: P prompts; T tokens of one, padded on the right; V vocabulary; C texts that
tokens have."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lab.model.load import Loaded

PROMPTS_AT_ONCE = 8
"""Of which logits at every token are held."""


@torch.inference_mode()
def first_logits(loaded: Loaded, prompts: Sequence[Sequence[int]]) -> Tensor:
    """Logits [P, V] of the token after each prompt, in float32 on the CPU."""
    rows = []
    for first in range(0, len(prompts), PROMPTS_AT_ONCE):
        batch = prompts[first : first + PROMPTS_AT_ONCE]
        width = max(map(len, batch))
        # Causal models do not look at padding on the right.
        padded = [[*ids, *[loaded.tokenizer.pad_token_id] * (width - len(ids))] for ids in batch]
        ids_PT = torch.tensor(padded, device=loaded.device)
        logits_PTV = loaded.model(input_ids=ids_PT, use_cache=False).logits
        rows += [of[len(ids) - 1].float().cpu() for of, ids in zip(logits_PTV, batch, strict=True)]
    return torch.stack(rows)


class FirstTexts:
    """The texts that single tokens have, without white space around them, as answers are compared:
    several tokens may have one text, and all that end a turn have none."""

    def __init__(self, loaded: Loaded) -> None:
        vocabulary = loaded.model.config.get_text_config().vocab_size
        ids = [[token] for token in range(vocabulary)]
        texts = loaded.tokenizer.batch_decode(ids, skip_special_tokens=True)
        self.number: dict[str, int] = {}
        self._of_token_V = torch.tensor(
            [self.number.setdefault(text.strip(), len(self.number)) for text in texts]
        )

    def probabilities(self, logits_PV: Tensor, temperatures: Sequence[float]) -> Tensor:
        """[P, C] of each text at the temperature of each prompt."""
        p_PV = (logits_PV / torch.tensor(temperatures)[:, None]).double().softmax(-1)
        p_PC = torch.zeros(len(p_PV), len(self.number), dtype=torch.float64)
        return p_PC.index_add_(1, self._of_token_V, p_PV)

    def likeliest(self, logits_PV: Tensor) -> Tensor:
        """Log-probabilities [P, C] of the likeliest token of each text."""
        log_PV = logits_PV.double().log_softmax(-1)
        start_PC = torch.full((len(log_PV), len(self.number)), -math.inf, dtype=torch.float64)
        index_PV = self._of_token_V.expand_as(log_PV)
        return start_PC.scatter_reduce_(1, index_PV, log_PV, "amax")
