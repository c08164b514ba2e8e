"""The chat renderer of a base before anything of it is loaded."""

from functools import cache

from lab.model.base import Base
from lab.model.chat import Renderer
from tellme.study.stages import quiet_libraries


def renderer_of(base: Base) -> Renderer | None:
    """None where the base is not on this machine."""
    return _renderer(base) if base.here else None


@cache
def _renderer(base: Base) -> Renderer:
    from lab.model.load import load_renderer

    quiet_libraries()
    return load_renderer(base)
