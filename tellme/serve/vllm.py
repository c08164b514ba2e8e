"""The command by which vLLM would serve the same models under the same names, for speed."""

import shlex
from collections.abc import Sequence

from lab.errors import UserError
from lab.model.adapter_files import CONFIG, read_adapter_config
from tellme.serve.models import Offer, ServedModel

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes as --max-lora-rank."""


def vllm_command(offer: Offer, host: str, port: int) -> str:
    """`vllm serve ...` for the base of an offer and the adapters on it, as one line. Raises
    UserError where there are several bases, which one vLLM does not serve."""
    models = list(offer.models.values())
    bases = list(dict.fromkeys(served.base for served in models))
    if len(bases) > 1:
        names = ", ".join(base.name for base in bases)
        raise UserError(f"one vLLM serves one base, and this study has {len(bases)}: {names}")
    base = bases[0]
    words = ["vllm", "serve", base.source, "--served-model-name", "base"]
    words += ["--host", host, "--port", str(port), "--dtype", base.dtype]
    if base.revision:
        words += ["--revision", base.revision]
    if base.model.trust_remote_code:
        words.append("--trust-remote-code")
    adapters = [served for served in models if served.adapter]
    if adapters:
        words += ["--enable-lora", "--max-lora-rank", str(_rank(adapters))]
        words += ["--max-cpu-loras", str(len(adapters)), "--lora-modules"]
        words += [f"{served.name}={served.adapter}" for served in adapters]
    return shlex.join(words)


def _rank(adapters: Sequence[ServedModel]) -> int:
    """The least rank of vLLM's that holds every adapter."""
    ranks = []
    for served in adapters:
        assert served.adapter
        config = read_adapter_config("adapter", served.name, served.adapter / CONFIG)
        pattern = config.get("rank_pattern")
        named = pattern.values() if isinstance(pattern, dict) else ()
        ranks += [rank for rank in (config.get("r"), *named) if isinstance(rank, int)]
    largest = max(ranks)
    return next((rank for rank in RANKS if rank >= largest), largest)
