"""Where a stored model is: from a name to a file on this machine.

`locating` asks MLflow in a process of its own, so that the one that asks can import TensorFlow
meanwhile; MLflow is imported in that process only::

    python -m fashion_dropout.tracking.locate REFERENCE MODEL_NAME FOLDER
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit

from fashion_dropout.errors import DataError, FashionDropoutError, TrackingError, UsageError

_URIS = ("models:/", "runs:/")
_MODEL_URI = re.compile(r"models:/[^/]+(/[^/]+)?")
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND", "BAD_REQUEST")


@contextmanager
def locating(reference: str, model_name: str) -> Iterator[Callable[[], Path]]:
    """Look a model up while the block does something else; calling what it gives waits for it.

    What is called gives the model's ``.keras`` file, which is there until the block ends; one from
    a model's folder has been held against the folder's checksums.

    Args:
        reference: A path, if it has a ``/`` in it or ends in ``.keras``: a model's folder or such a
            file. Else as for `locate`.
        model_name: As for `locate`.

    Raises:
        UsageError: There is no such model.
        DataError: It is damaged.
        TrackingError: The store does not answer, or does not give the model out.
    """
    if not reference.startswith(_URIS) and ("/" in reference or reference.endswith(".keras")):
        path = Path(reference).expanduser()
        if not path.exists():
            raise UsageError(f"expected a model's folder or .keras file, received no such: {path}")
        yield lambda: _weights(path)
        return
    command = [sys.executable, "-P", "-m", "fashion_dropout.tracking.locate", reference, model_name]
    with (
        TemporaryDirectory() as download,
        subprocess.Popen(
            [*command, download],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},  # may not be installed
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this process, which ends that one
        ) as asked,
    ):
        try:
            yield lambda: _weights(_answer(asked))
        finally:
            asked.kill()


def locate(reference: str, model_name: str, download: Path) -> Path:
    """The folder of a model in MLflow's store.

    Args:
        reference: The number of a version, the id of a run, an alias, or one of MLflow's own URIs:
            ``models:/…`` or ``runs:/…``; taken for the first of these that it can be.
        model_name: The registered model that versions and aliases belong to.
        download: An empty folder; a model that is not on this machine is brought there.

    Raises:
        UsageError: There is no such model.
        TrackingError: The store does not answer, or does not give the model out.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    from fashion_dropout.tracking.store import connect, impatient, one_line

    try:
        _expect_store()
        connect()
        with impatient():
            return _fetch(_location(reference, model_name), download)
    except (MlflowException, SQLAlchemyError, OSError) as error:
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
    from fashion_dropout.tracking.served import WEIGHTS, DamagedModelError, verify_checksums

    if model.is_file():
        return model
    try:
        verify_checksums(model)
    except (DamagedModelError, OSError) as error:
        raise DataError(str(error)) from error
    return model / WEIGHTS


def _answer(asked: subprocess.Popen[bytes]) -> Path:
    assert asked.stdout is not None
    for line in asked.stdout:
        if line.startswith(b'{"folder"'):
            return Path(json.loads(line)["folder"])
        if line.startswith(b'{"error"'):
            answer = json.loads(line)
            raise (UsageError if answer["exit_code"] == 2 else TrackingError)(answer["error"])
    raise TrackingError(
        "expected an answer from the process that asks MLflow for the model, received exit code "
        f"{asked.wait()} instead"
    )


def _expect_store() -> None:
    """A question must not make a store: MLflow would make a SQLite file that is not there."""
    import mlflow
    import sqlalchemy

    uri = mlflow.get_tracking_uri()
    database = sqlalchemy.make_url(uri).database if uri.startswith("sqlite:") else None
    if database and not Path(database).is_file():
        raise UsageError(
            f"expected an MLflow store with a model in {uri}, received no such file; train one "
            "first, go to its folder, or set MLFLOW_TRACKING_URI"
        )


def _location(reference: str, model_name: str) -> str:
    """The URI under which the files of a model are."""
    from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository

    if reference.startswith("runs:/"):
        run_id, _, name = reference.removeprefix("runs:/").strip("/").partition("/")
        return _location_in_run(run_id, name)
    if _RUN_ID.fullmatch(reference):
        return _location_in_run(reference, "")
    if not reference.startswith("models:/"):
        separator = "/" if reference.isdecimal() else "@"
        reference = f"models:/{model_name}{separator}{reference}"
    if not _MODEL_URI.fullmatch(reference):
        raise UsageError(
            "expected models:/<name>/<version>, models:/<name>@<alias> or models:/<model id>, "
            f"received {reference!r}"
        )
    return str(ModelsArtifactRepository.get_underlying_uri(reference))


def _location_in_run(run_id: str, name: str) -> str:
    """The newest model of a run, or the newest of a name."""
    import mlflow

    client = mlflow.MlflowClient()
    outputs = client.get_run(run_id).outputs
    steps = {output.model_id: output.step for output in (outputs.model_outputs if outputs else ())}
    models = [
        client.get_logged_model(model_id) for model_id in sorted(steps, key=lambda k: steps[k])
    ]
    wanted = [model for model in models if name in ("", model.name)]
    if not wanted:
        raise UsageError(
            f"expected a run with a model{f' {name!r}' if name else ''}, received {run_id} with "
            f"{', '.join(repr(model.name) for model in models) or 'none'}"
        )
    return str(wanted[-1].artifact_location)


def _fetch(location: str, download: Path) -> Path:
    import mlflow

    parts = urlsplit(location)
    if parts.scheme not in ("", "file"):
        return Path(mlflow.artifacts.download_artifacts(location, dst_path=str(download)))
    folder = Path(unquote(parts.path) if parts.scheme else location)
    if not folder.is_dir():
        raise TrackingError(
            f"expected the model's folder {folder}, where MLflow's store has it, received none; "
            "was it moved or deleted?"
        )
    return folder


def main() -> None:
    """Answer with the folder, or with what is wrong and the exit code that it has."""
    reference, model_name, download = sys.argv[1:]
    try:
        answer: dict[str, object] = {"folder": str(locate(reference, model_name, Path(download)))}
    except FashionDropoutError as error:
        answer = {"error": str(error), "exit_code": error.exit_code}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
