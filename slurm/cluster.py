"""The settings of a cluster: one file under slurm/clusters/, or any YAML of the same form."""

import re
from pathlib import Path
from shlex import quote
from typing import Annotated

from pydantic import Field, ValidationError

from lab.config.mistakes import one_line
from lab.config.read import parse_yaml
from lab.discover import find_path
from lab.errors import UserError, unknown
from lab.model.base import Dtype, machine_dtype
from lab.strict import Strict

CLUSTERS = Path(__file__).with_name("clusters")
HERE = "local"
"""The cluster that is this machine, unless its file says otherwise."""
SECRETS = frozenset(
    {
        *("APIKEY", "APIKEYS", "KEY", "KEYS", "TOKEN", "JWT", "PAT", "COOKIE"),
        *("AUTH", "OAUTH", "BEARER", "SECRET", "SECRETS"),
        *("CREDENTIAL", "CREDENTIALS", "CREDS"),
        *("PASS", "PASSCODE", "PASSPHRASE", "PASSWD", "PASSWORD", "PASSWORDS", "PW", "PWD"),
    }
)
"""Words of a name that say that its value is one. TOKENS is a number of them more often."""
ENDINGS = ("APIKEY", "PASSPHRASE", "PASSWD", "PASSWORD", "SECRET", "SSHPASS", "TOKEN")
"""Of words that are written as one, such as PGPASSWORD."""
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
"""A word of a name in snake_case, camelCase or capitals."""
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A name that a shell takes for one, whole: another could carry a command into setup.sh."""
OPTION = re.compile(r"--[a-z][a-z-]*(=.*)?|-[A-Za-z].*")
"""An option of sbatch together with its value."""


class Resources(Strict):
    """What one task of an array asks for, in sbatch's own words."""

    time: str = "01:00:00"
    cpus: Annotated[int, Field(ge=1)] = 2
    memory: str = "8G"
    gpus: Annotated[int, Field(ge=0)] = 0
    options: tuple[str, ...] = ()
    """Further options of sbatch, such as `--constraint=h100`."""


class Cluster(Strict):
    """A cluster file. What it does not say is what runs on one machine without GPUs."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    light: Resources = Resources()
    """Tasks that load no model: rows and reports."""
    heavy: Resources = Resources()
    """Tasks that load the base: training and measuring."""
    dtype: Dtype | None = None
    """What `model.dtype: auto` means there; None: bfloat16 with GPUs, else float32 (on this machine
    what it computes in)."""
    gpu_memory: float | None = None
    """GB of one GPU; weights are compared with it before anything is queued."""
    at_once: Annotated[int, Field(ge=1)] = 32
    """Tasks of one array that may run at a time."""
    notice: Annotated[int, Field(ge=1)] = 180
    """Seconds before the time limit at which a task is told to save and comes back to the queue."""
    modules: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    cache: str | None = None
    """HF_HOME on the nodes: where bases were downloaded to."""
    offline: bool = True
    """Whether nodes are without network: a base must be in the cache before anything is queued."""

    def setup(self, tellme: str) -> str:
        """The shell lines that stand before every task; `tellme` is the path of the command."""
        variables = dict(self.environment)
        if self.cache:
            variables["HF_HOME"] = self.cache
        if self.offline:
            variables["HF_HUB_OFFLINE"] = "1"
        lines = [
            *(f"module load {quote(name)}" for name in self.modules),
            *(f"export {name}={quote(value)}" for name, value in variables.items()),
            f"tellme={quote(tellme)}",
        ]
        return "".join(f"{line}\n" for line in lines)


def load_cluster(name: str) -> Cluster:
    """By name, or by path; raises UserError with one line."""
    file = _file_of(name)
    try:
        settings = parse_yaml(file.read_text(encoding="utf-8"), str(file))
        cluster = Cluster.model_validate(settings or {})
    except ValidationError as error:
        raise one_line(error, str(file), Cluster) from None
    except UnicodeDecodeError:
        raise UserError(f"cluster file {str(file)!r} is not UTF-8 text") from None
    for variable in cluster.environment:
        _refuse_variable(str(file), variable)
    _refuse_options(str(file), "light", cluster.light)
    _refuse_options(str(file), "heavy", cluster.heavy)
    return cluster


def _file_of(name: str) -> Path:
    """The file of a cluster, which is ours or the user's."""
    shipped = CLUSTERS / f"{name}.yaml"
    if shipped.is_file():
        return shipped
    file = find_path(name)
    if file is None or not file.is_file():
        names = [path.stem for path in CLUSTERS.glob("*.yaml")]
        raise unknown("run.cluster", name, names, "or give the path of a YAML of that form")
    return file


def _refuse_options(file: str, section: str, resources: Resources) -> None:
    for option in resources.options:
        if not OPTION.fullmatch(option):
            raise UserError(
                f"cluster file {file!r}: {section}.options has {option!r}, which sbatch would"
                " take for the script to run; write an option and its value as one,"
                " `--constraint=h100`"
            )


def _refuse_variable(file: str, name: str) -> None:
    if not VARIABLE.fullmatch(name):
        raise UserError(
            f"cluster file {file!r}: environment has {name!r}, which is no name of a variable;"
            " letters, digits and _ are allowed, no digit first"
        )
    words = [word.upper() for word in WORD.findall(name)]
    if any(word in SECRETS or word.endswith(ENDINGS) for word in words):
        raise UserError(
            f"cluster file {file!r}: environment.{name} looks like a secret, and would stand beside"
            " the jobs; log in on the cluster instead"
        )


def auto_dtype(name: str, small: bool = False) -> Dtype:
    """What `model.dtype: auto` is where a study runs, whichever machine plans it, for a base that
    is small (lab/model/base.py) or is not."""
    cluster = load_cluster(name)
    if cluster.dtype:
        return cluster.dtype
    if name == HERE:
        return machine_dtype(small)
    return "bfloat16" if cluster.heavy.gpus else "float32"
