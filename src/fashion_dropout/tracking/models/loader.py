"""How a stored classifier is served. A copy of this file is stored with each model, as its loader.

MLflow casts a request to the dtype of the model's signature before the model sees it: declared as
uint8, a grey value of 0.5 would become 0, and an image scaled to [0, 1] would become black. So the
signature says float32, and this module looks at the values. As it must load wherever the model is
served, it needs nothing of this package but `environment`, a copy of which is stored beside it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOADER = "fashion_dropout_served"
"""The module that this file is stored as."""

ENVIRONMENT = "fashion_dropout_environment"
"""The module that `environment` is stored as."""

ENVIRONMENT_FILE = "environment.json"
"""The file of a stored model with the variables that it was trained with."""

if __name__ == LOADER:
    import fashion_dropout_environment as environment
else:
    from fashion_dropout import environment

CHECKSUMS_FILE = "SHA256SUMS"
"""The file of a stored model with the digest of its weights, as `sha256sum` writes it."""


WEIGHTS_FILE = "data/model.keras"
"""The file of a stored model that holds the network, where `mlflow.keras` puts it."""

CLASSES_FILE = "classes.json"
"""The file of a stored model with the names of its classes, by label."""


BATCH_SIZE = 250
"""Images that are predicted together: as many as in the training program.

Fewer are filled up with black ones, because the last digits of a probability depend on how many
images are predicted with it. So an image gives the same bits wherever it is predicted.
"""

_LONGEST_LIST = 2**16  # characters


class DamagedModelError(ValueError):
    """A file of a stored model is missing, or not the one that was stored."""


def write_checksums(folder: Path, *names: str) -> None:
    """Write the digests of files in the folder of a model into its `CHECKSUMS_FILE`."""
    lines = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}" for name in names
    ]
    (folder / CHECKSUMS_FILE).write_text("\n".join(lines) + "\n", encoding="ascii")


def verify_checksums(folder: Path) -> None:
    """Compare the files in the folder of a stored model with its `CHECKSUMS_FILE`.

    Raises:
        DamagedModelError: A file is missing or has changed since it was stored.
    """
    listed = folder / CHECKSUMS_FILE
    if not listed.is_file():
        raise DamagedModelError(f"expected {CHECKSUMS_FILE} in the model {folder}, received none")
    with listed.open(encoding="ascii", errors="replace") as file:
        lines = file.read(_LONGEST_LIST).splitlines()
    digests = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if WEIGHTS_FILE not in digests:
        raise DamagedModelError(f"{listed}: expected the digest of {WEIGHTS_FILE}, received none")
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file():
            raise DamagedModelError(
                f"expected the file {name} in the model {folder}, received none"
            )
        with path.open("rb") as stream:
            received = hashlib.file_digest(stream, "sha256").hexdigest()
        if received != digest:
            raise DamagedModelError(
                f"{path}: expected SHA-256 {digest}, received {received}: the file is damaged"
            )


class ServedClassifier:
    """A Keras classifier behind a check of what it is sent.

    A server asks from many threads, and Keras does not promise that they may predict together: it
    builds what predicts at the first call, and notes the state of a prediction in the model. So
    they predict one after another; each prediction uses all cores by itself.

    Args:
        classifier: A Keras model from uint8 (n, 28, 28, 1) to float32 (n, 10).
    """

    def __init__(self, classifier: Any) -> None:
        self._classifier = classifier
        self._turn = threading.Lock()

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probabilities of the classes.

        Args:
            images: Grey values, float32 of shape (n, 28, 28, 1), whole numbers from 0 (background)
                to 255.

        Returns:
            float32 of shape (n, 10).

        Raises:
            MlflowException: A value is none of these; a server answers with status 400.
        """
        values = grey_values(images)
        black = np.zeros((-len(values) % BATCH_SIZE, *values.shape[1:]), np.uint8)
        filled = np.concatenate([values, black])
        with self._turn:
            found = self._classifier.predict(filled, batch_size=BATCH_SIZE, verbose=0)
        return np.asarray(found[: len(values)], dtype=np.float32)


def grey_values(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Grey values as uint8, if that changes none of them.

    Raises:
        MlflowException: There is no image, or a value is not finite, fractional, below 0 or above
            255.
    """
    from mlflow.exceptions import MlflowException

    if not len(images):
        raise MlflowException.invalid_parameter_value("expected at least one image, received none")
    with np.errstate(invalid="ignore"):
        grey = images.astype(np.uint8)
    wrong = grey != images  # NaN differs from everything
    if wrong.any():
        fraction = np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1
        raise MlflowException.invalid_parameter_value(
            "expected grey values that are whole numbers from 0 to 255, received "
            f"{float(images[wrong][0])!r}"
            + ("; were they divided by 255? the model does that itself" if fraction else "")
        )
    return grey


def _load_pyfunc(path: str) -> ServedClassifier:
    """What MLflow calls to load the model; `path` is the model's folder."""
    verify_checksums(Path(path))
    trained_with = json.loads((Path(path) / ENVIRONMENT_FILE).read_text(encoding="utf-8"))
    environment.settle_for_model(trained_with)

    import mlflow.keras

    return ServedClassifier(mlflow.keras.load_model(path, load_model_kwargs={"safe_mode": True}))
