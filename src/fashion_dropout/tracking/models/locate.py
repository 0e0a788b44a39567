"""Find a stored model: from one of its names to its file on this machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fashion_dropout.errors import DataError, TrackingError, UsageError
from fashion_dropout.files import user_path
from fashion_dropout.tracking.store.future import submitted

_URIS = ("models:/", "runs:/")
_MODEL_URI = re.compile(r"models:/[^/]+(?<!@)(/[^/]+)?")
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND", "BAD_REQUEST")


@contextmanager
def locating(reference: str, model_name: str) -> Iterator[Callable[[], Path]]:
    """Look a model up in another process while the block does something else.

    The block is given a function that waits for the model and returns its ``.keras`` file. The file
    is there until the block ends. If it is in a model's folder, the folder's checksums have been
    verified.

    Args:
        reference: A path, if it has a ``/`` in it or ends in ``.keras``: a model's folder or a
            ``.keras`` file. Otherwise as for `locate`.
        model_name: As for `locate`.

    Raises:
        UsageError: There is no such model. This error and the following ones can come from the
            function, too.
        DataError: The model is damaged.
        TrackingError: The store does not answer, or does not give the model out.
    """
    if not reference.startswith(_URIS) and ("/" in reference or reference.endswith(".keras")):
        path = user_path(reference)
        if not path.exists():
            raise UsageError(f"expected a model's folder or .keras file, received no such: {path}")
        yield lambda: _weights(path)
        return
    with (
        TemporaryDirectory() as download,
        submitted(locate, reference, model_name, Path(download)) as folder,
    ):
        yield lambda: _weights(folder.result())


def locate(reference: str, model_name: str, download: Path) -> Path:
    """Find the folder of a model in MLflow's store.

    Args:
        reference: The number of a version, the id of a run, an alias, or one of MLflow's own URIs:
            ``models:/…`` or ``runs:/…``. It is taken as the first of these that it can be.
        model_name: The registered model that versions and aliases belong to.
        download: An empty folder. A model that is not on this machine is downloaded to it.

    Raises:
        UsageError: There is no such model.
        TrackingError: The store does not answer, or does not give the model out.
    """
    from fashion_dropout.tracking.store.calls import asks_mlflow
    from fashion_dropout.tracking.store.timeouts import FILES_SECONDS

    return asks_mlflow(seconds=FILES_SECONDS)(_find)(reference, model_name, download)


def stored_weights(run_id: str, download: Path) -> Path:
    """The verified ``.keras`` file of a run's newest model; arguments and errors as of `locate`."""
    return _weights(locate(run_id, "", download))


def _find(reference: str, model_name: str, download: Path) -> Path:
    from mlflow.exceptions import MlflowException

    from fashion_dropout.tracking.store.calls import one_line
    from fashion_dropout.tracking.store.connect import connect_to_existing

    try:
        connect_to_existing()
        return _fetch(_location(reference, model_name), download)
    except (MlflowException, OSError) as error:
        if getattr(error, "error_code", "") in _NOT_THERE:
            raise UsageError(
                f"expected a version or an alias of {model_name}, a run with a model or an MLflow "
                f"URI, received {reference!r}: {one_line(error)}; `fashion-dropout promote` makes "
                "a champion, and a path must have a / in it or end in .keras"
            ) from error
        raise TrackingError(
            f"expected MLflow to give out the model {reference!r}, received: {one_line(error)}"
        ) from error


def _weights(model: Path) -> Path:
    """A bare file of weights, or those in a model's folder, which are verified however named."""
    from fashion_dropout.tracking.models import loader

    weights = model / loader.WEIGHTS_FILE
    if not model.is_dir():
        weights, model = model, model.parent.parent
        if weights.name != "model.keras" or not (model / loader.CHECKSUMS_FILE).is_file():
            return weights
    try:
        loader.verify_checksums(model)
    except (loader.DamagedModelError, OSError) as error:
        raise DataError(str(error)) from error
    return weights


def _location(reference: str, model_name: str) -> str:
    """Find the URI of a model's folder."""
    from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository

    if reference.startswith("runs:/"):
        run_id, _, name = reference.removeprefix("runs:/").strip("/").partition("/")
        return _location_in_run(run_id, name or None)
    if _RUN_ID.fullmatch(reference):
        return _location_in_run(reference)
    if not reference.startswith("models:/"):
        separator = "/" if reference.isdecimal() else "@"
        reference = f"models:/{model_name}{separator}{reference}"
    if not _MODEL_URI.fullmatch(reference):
        raise UsageError(
            "expected models:/<name>/<version>, models:/<name>@<alias> or models:/<model id>, "
            f"received {reference!r}"
        )
    return str(ModelsArtifactRepository.get_underlying_uri(reference))


def _location_in_run(run_id: str, name: str | None = None) -> str:
    """Find the URI of a run's newest model, or of its newest model of a name."""
    import mlflow

    client = mlflow.MlflowClient()
    outputs = client.get_run(run_id).outputs
    steps = {output.model_id: output.step for output in (outputs.model_outputs if outputs else ())}
    models = [client.get_logged_model(each) for each in sorted(steps, key=steps.__getitem__)]
    wanted = [model for model in models if name in (None, model.name)]
    if not wanted:
        raise UsageError(
            f"expected a run with a model{f' {name!r}' if name else ''}, received {run_id} with "
            f"{', '.join(repr(model.name) for model in models) or 'none'}"
        )
    return str(wanted[-1].artifact_location)


def _fetch(location: str, download: Path) -> Path:
    import mlflow

    from fashion_dropout.tracking.store.places import local_folder

    folder = local_folder(location)
    if folder is None:
        return Path(mlflow.artifacts.download_artifacts(location, dst_path=str(download)))
    if not folder.is_dir():
        raise TrackingError(
            f"expected the model's folder {folder}, where MLflow's store has it, received none; "
            "was it moved or deleted?"
        )
    return folder
