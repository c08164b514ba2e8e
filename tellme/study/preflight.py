"""What would fail after hours in a queue, refused before anything waits in one."""

import shutil
from collections.abc import Iterator

from data_gen.build import linted
from lab.config.schema import Study
from lab.data_specs import DataSpec
from lab.discover import short
from lab.engines import load_engine
from lab.errors import UserError
from lab.model.memory import HEADROOM, adapter_bytes, weight_bytes
from lab.specs import TrainSpec
from lab.store.store import Store
from slurm.cluster import Cluster
from tellme.study.plan import Plan

ANY_SEED = {"seed": 0, "rows": "", "source": ""}
"""Of rows, what differs where nothing but the seed does."""
WRITTEN_PER_ADAPTER = 8
"""Adapter, and two checkpoints with the two moments of Adam, in sizes of the adapter."""


def preflight(plan: Plan, cluster: Cluster, store: Store) -> None:
    """Raises UserError for what would fail after hours in a queue: a base that is not there, rows
    that a lint refuses, weights that no GPU holds, a full disk."""
    if plan.provisional and cluster.offline:
        raise _not_in_cache(plan, cluster)
    if load_engine(plan.study.eval.engine).elsewhere and cluster.offline:
        raise UserError(
            f"eval.engine {short(plan.study.eval.engine)!r} asks a server, and the nodes of"
            f" {plan.study.run.cluster!r} have no network; run the study where there is one, or set"
            " `offline: false` in the cluster's file"
        )
    store.check_writable()
    _refuse_rows(plan)
    stages = plan.stages.values()
    for base in {base for stage in stages for base in stage.bases}:
        _refuse_weights(base.name, weight_bytes(base), plan.study, cluster)
    to_train = [
        stage.spec
        for stage in stages
        if isinstance(stage.spec, TrainSpec) and not store.find("train", stage.key)
    ]
    _refuse_full_disk(to_train, store)


def _not_in_cache(plan: Plan, cluster: Cluster) -> UserError:
    """What to say of a base or an adapter that the nodes could not download."""
    bases = {base for stage in plan.stages.values() for base in stage.bases}
    names = sorted(base.name for base in bases if base.provisional)
    cache = f" with HF_HOME={cluster.cache}" if cluster.cache else ""
    return UserError(
        f"model {', '.join(names) or 'or adapter of this study'} is not in the cache,"
        f" and the nodes of {plan.study.run.cluster!r} have no network; `hf download` it here"
        f" first{cache}, or set `offline: false` in the cluster's file"
    )


def _refuse_rows(plan: Plan) -> None:
    """Make and lint the rows of one seed of every kind. A base's own answers, and what is made
    from them, would need the base."""
    seen: set[tuple[DataSpec, ...]] = set()
    for stage in plan.stages.values():
        if stage.kind != "data" or stage.base:
            continue
        kind = tuple(_of_any_seed(plan, stage.key))
        if kind in seen:
            continue
        seen.add(kind)
        if not any(plan.stages[key].base for key in stage.inputs.values()):
            linted(
                plan.planned_rows(stage.key), plan.data_spec(stage.key), plan.source_of(stage.key)
            )


def _of_any_seed(plan: Plan, key: str) -> Iterator[DataSpec]:
    """What a data stage, and those that it reads, would be under any seed."""
    yield plan.data_spec(key).model_copy(update=ANY_SEED)
    for parent in plan.stages[key].inputs.values():
        yield from _of_any_seed(plan, parent)


def _refuse_weights(name: str, needed: int | None, study: Study, cluster: Cluster) -> None:
    """Weights, of `needed` bytes, that the GPUs of one task do not hold together; nothing is said
    where either size is not known."""
    if needed is None or cluster.gpu_memory is None:
        return
    gpus = cluster.heavy.gpus
    if study.run.sharding != "ddp":
        gpus = max(gpus, study.run.processes)
    gigabytes = needed * HEADROOM / 1e9
    if gigabytes > cluster.gpu_memory * gpus:
        raise UserError(
            f"model {name!r} needs about {gigabytes:.0f} GB for its weights, and a"
            f" task on {study.run.cluster!r} has {gpus} GPU{'s' if gpus > 1 else ''} of"
            f" {cluster.gpu_memory:g} GB; set model.quantization: nf4, run.sharding: fsdp2 with"
            " run.processes, or heavy.gpus in the cluster's file"
        )


def _refuse_full_disk(to_train: list[TrainSpec], store: Store) -> None:
    sizes = [adapter_bytes(spec.base, spec.lora.r) for spec in to_train]
    needed = sum(sizes) * WRITTEN_PER_ADAPTER
    free = shutil.disk_usage(store.root).free
    if needed > free:
        raise UserError(
            f"run.dir {str(store.root)!r} has {free / 1e9:.1f} GB free, and {len(to_train)}"
            f" adapters with their checkpoints need about {needed / 1e9:.1f} GB; choose another"
            " with --set run.dir=PATH"
        )
