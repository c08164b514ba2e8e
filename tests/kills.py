"""What a kill leaves of a training: it ends in the middle of a call, and files are cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.model.load import _LOADED

CUTS: dict[str, Callable[[Path], object]] = {
    "half": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "all but a byte": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "empty": lambda file: file.write_bytes(b""),
    "missing": lambda file: file.unlink(),
}
"""What a kill or a full disk makes of a file."""


class Killed(BaseException):
    """Nothing of the lab may catch it, as nothing catches SIGKILL."""


def killed(*_: Any, **__: Any) -> None:
    raise Killed


def kill_in(
    train: Callable[[], None], module: Any, name: str, how: Callable[..., Any] = killed
) -> None:
    """Where it calls `module.name`. What is held of the base goes too, as with a process."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, name, how)
        with pytest.raises(Killed):
            train()
    _LOADED.clear()
