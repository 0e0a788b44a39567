"""Whether a worker can run the cells of a study: what it is asked, and what it must be like.

Every worker that is there is asked before the first cell, and every one that joins later when it is
given its first cell. A worker of a cluster may be of another machine, and busy with other work.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

from fashion_dropout import environment, provenance
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.errors import ClusterError, FashionDropoutError, UsageError
from fashion_dropout.learning import dataset as data
from fashion_dropout.learning.kernels import Kernels, foreseen
from fashion_dropout.learning.runtime import check_settings
from fashion_dropout.sameness import changes
from fashion_dropout.tracking.store.future import submitted

DASK = ("dask", "distributed")
"""The packages that client, scheduler and workers must have in the same version."""
_CODE = "training code"


@dataclass(frozen=True)
class Needs:
    """What a study needs of every worker, as the program that runs the study has it.

    Attributes:
        versions: Package → version, and the digest of the training code.
        config: Of one cell: its dataset, and with what TensorFlow starts.
        data_dir: What the user has named as ``--data-dir``; None without it.
        tracking_uri: The store, with its password.
        place: Of the experiment, `tracking.recording.opening.Place.digest`.
        folder: The folder of the experiment's files and its inode, where it is none of a server.
    """

    versions: tuple[tuple[str, str], ...]
    config: TrainingConfig
    dataset_sha256: str
    data_dir: Path | None
    tracking_uri: str = field(repr=False)
    experiment_id: str
    place: str
    folder: tuple[str, int] | None

    @property
    def digest(self) -> str:
        """What tells the cells of one experiment and training code from those of others."""
        code = dict(self.versions)[_CODE]
        return sha256(f"{self.place} {code}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Fitness:
    """What a worker answers.

    Attributes:
        objection: Why it cannot run cells; empty if it can.
        kernels: What it will compute with, for a person; empty where only TensorFlow can tell.
    """

    objection: str
    kernels: str = ""


def own_versions() -> tuple[tuple[str, str], ...]:
    """What of this process must be the same in every worker, as `Needs.versions` has it.

    Of Python the first two numbers count: bug fixes of it change no bit.
    """
    found = dict(provenance.versions())
    found["python"] = ".".join(found["python"].split(".")[:2])
    for name in DASK:
        with suppress(PackageNotFoundError):  # a copy without metadata
            found[name] = provenance.version(name)
    return (*found.items(), (_CODE, provenance.training_code_sha256()[:12]))


def needs_of(
    config: TrainingConfig, dataset: data.Dataset, data_dir: Path | None, experiment: str | None
) -> Needs:
    """What a study needs of every worker, on the store that MLflow uses and that answers.

    The configuration is that of one of its cells. The experiment is as for `tracked_run`; it is
    made if need be, and so is a folder for its files.
    """
    import mlflow

    from fashion_dropout.tracking.recording.previous import files_of, place_of_next_run

    place = place_of_next_run(experiment)
    folder = files_of(place.experiment_id)
    return Needs(
        versions=own_versions(),
        config=config,
        dataset_sha256=dataset.sha256,
        data_dir=data_dir.resolve() if data_dir else None,
        tracking_uri=mlflow.get_tracking_uri(),
        experiment_id=place.experiment_id,
        place=place.digest,
        folder=(str(folder), folder.stat().st_ino) if folder else None,
    )


def differences(needed: tuple[tuple[str, str], ...], found: tuple[tuple[str, str], ...]) -> str:
    """In what the packages and the code of a worker differ from ours; empty for nothing."""
    return ", ".join(
        f"{name} {then} as here, received {now}"
        for name, then, now in changes(dict(needed), dict(found))
    )


def usual_dir(data_dir: Path | None, dataset: str) -> Path | None:
    """What the user has named as ``--data-dir`` where it is there; None for the usual places.

    A worker may have the archives in a checkout or a cache of its own: checksums tell that they
    are the same.
    """
    own = dataset != data.FashionMnist.name  # they have no usual place
    return data_dir if data_dir and (own or data_dir.exists()) else None


_found: dict[Needs, Fitness] = {}


async def ask(needs: Needs, dask_worker: Any = None) -> Fitness:
    """Ask a worker that may be busy; Dask runs this in its event loop, and gives `dask_worker`."""
    return await asyncio.to_thread(fitness, needs, dask_worker.state.nthreads)


def fitness(needs: Needs, threads: int) -> Fitness:
    """Whether the worker of this process, which runs so many tasks at once, is fit; one that is
    will not be asked again.
    """
    try:  # each time: a cell of another study may have started TensorFlow since
        check_settings(needs.config.threads, needs.config.kernels, needs.config.device)
    except UsageError as error:
        return Fitness(f"{error}: restart the worker")
    if needs not in _found:
        found = _examined(needs, threads)
        if found.objection:
            return found
        _found[needs] = found
    return _found[needs]


def _examined(needs: Needs, threads: int) -> Fitness:
    environment.settle()
    if differing := differences(needs.versions, own_versions()):
        return Fitness(f"expected {differing}")
    if threads != 1:
        return Fitness(
            f"expected 1 thread, received {threads}, which would train {threads} cells at once in "
            "one process; start it with --nthreads 1, and --nworkers for more processes"
        )
    try:
        # Another process: this one may train a cell of another study, with another store.
        with submitted(_look_around, needs) as answer:
            kernels = answer.result()
    except FashionDropoutError as error:
        return Fitness(str(error))
    if kernels is None:
        return Fitness("")
    name = f"oneDNN with {kernels.instruction_set}" if kernels.onednn else "TensorFlow's own"
    return Fitness("", f"{name} on {kernels.device}")


def _look_around(needs: Needs) -> Kernels | None:
    """What a worker will compute with; None if only TensorFlow can tell.

    Raises:
        FashionDropoutError: The store or the data cannot be had from here, or are others.
    """
    import mlflow

    from fashion_dropout.tracking.recording.previous import check_writable, place_by_id
    from fashion_dropout.tracking.store.connect import connect_to_existing, store_name

    mlflow.set_tracking_uri(needs.tracking_uri)
    connect_to_existing()
    place = place_by_id(needs.experiment_id)
    if place is None or place.digest != needs.place:
        raise ClusterError(
            f"expected the store of the study, received another one at "
            f"{store_name(needs.tracking_uri)}; set MLFLOW_TRACKING_URI to an address that means "
            "the same server everywhere"
        )
    check_writable(needs.experiment_id)
    if needs.folder is not None:
        name, inode = needs.folder
        folder = Path(name)
        if not folder.is_dir() or folder.stat().st_ino != inode:
            raise ClusterError(
                f"expected the folder {folder} of the study's files, received "
                f"{'another one' if folder.is_dir() else 'none'}; use a server that takes files, "
                "such as `mlflow server --artifacts-destination`"
            )
    received = data.open_dataset(
        needs.config.dataset, usual_dir(needs.data_dir, needs.config.dataset)
    ).sha256
    if received != needs.dataset_sha256:
        raise ClusterError(
            f"expected {needs.config.dataset} with SHA-256 {needs.dataset_sha256[:12]}, received "
            f"{received[:12]}"
        )
    return foreseen(needs.config.kernels, needs.config.device)
