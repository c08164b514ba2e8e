"""One training by several processes, one per GPU: `accelerate launch` of this module with the arguments of train/sft.py."""

import json
import logging
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.base import Base, base_of_record
from lab.discover import ROOT
from lab.errors import UserError
from lab.preempt import CODE, Preempted, listen, restore
from train.sft import STOP, train

REFUSED = "refused.txt"


def launch(processes: int, sharding: str, config: dict[str, Any], base: Base, rows: Path, out: Path, **how: Any) -> None:
    """Train as `train.sft.train` does, with as many processes. Raises what it raises."""
    for left in (STOP, REFUSED):
        (out / left).unlink(missing_ok=True)
    file = ["--config_file", str(Path(__file__).with_name(f"{sharding}.yaml"))]
    given = json.dumps({"config": config, "base": asdict(base), "rows": str(rows), "out": str(out), **how})
    command = [sys.executable, "-m", "accelerate.commands.launch", *file]
    command += ["--num_processes", str(processes), "--main_process_port", "0", "-m", "train.launch", given]
    work = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    before = listen(lambda *_: (out / STOP).touch())
    try:
        code = work.wait()
    finally:
        work.terminate()
        restore(before)
    stopped = (out / STOP).exists()
    (out / STOP).unlink(missing_ok=True)
    if (out / REFUSED).exists():
        raise UserError((out / REFUSED).read_text(encoding="utf-8"))
    if stopped and not (out / "provenance.json").exists():
        raise Preempted(f"{how['group']} was told to stop and saved what it had")
    if code:
        raise RuntimeError(f"one of {processes} processes that train {how['group']} failed (exit {code}); what it said stands above")


def main(given: dict[str, Any]) -> None:
    """What each process does."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    out, base, rows = Path(given.pop("out")), base_of_record(given.pop("base")), Path(given.pop("rows"))
    try:
        train(given.pop("config"), base, rows, out, **given)
    except UserError as error:
        (out / REFUSED).write_text(str(error), encoding="utf-8")
        raise
    except Preempted:
        sys.exit(CODE)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
