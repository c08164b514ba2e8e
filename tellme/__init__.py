"""A fine-tuning lab for behavioral self-awareness and backdoor studies, as a notebook uses it:

study = tm.load_study("configs/quickstart.yaml", {"data.num_rows": 64})
result = study.plan().run(workers=2)      # or tm.load("runs/study/...")
result.contrasts, result.rows, result.figure("does-and-says")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tellme.asked import Model
    from tellme.notebook import load_study
    from tellme.report.result import Result, load
    from tellme.study.asked_questions import questions

__all__ = ["Model", "Result", "load", "load_study", "questions"]

HOMES = {
    "Model": "tellme.asked",
    "Result": "tellme.report.result",
    "load": "tellme.report.result",
    "load_study": "tellme.notebook",
    "questions": "tellme.study.asked_questions",
}
"""Where each name is. A name is imported when it is first used: the command imports this package,
and answers at once."""


def __getattr__(name: str) -> Any:
    """A public name, from its home."""
    from importlib import import_module

    if name not in HOMES:
        raise AttributeError(f"module 'tellme' has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
