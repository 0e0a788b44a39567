"""A dataset of a user's own images."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from fashion_dropout.errors import DataError
from fashion_dropout.learning import own_files
from fashion_dropout.learning.examples import Examples

LEAST_OF_A_CLASS = 12
"""Of a user's own images one in twelve is for validation, as it is of Fashion-MNIST's; so a class
needs at least so many.
"""


class OwnImages:
    """Images of a user's own, in files as `own_files` reads them.

    Their checksums are recorded instead of compared. Opening reads all files once, to check and to
    digest them; whoever reads a part again gets what was digested, or an error.

    Args:
        path: As for `own_files.locate`.

    Raises:
        DataError: The files are not what `own_files` expects, or a class has fewer training images
            than `LEAST_OF_A_CLASS`.
    """

    name = "idx"
    classes: tuple[str, ...] = tuple(f"class {label}" for label in range(own_files.MOST_CLASSES))
    training_size = validation_size = 0  # of the kind; an opened one has its own

    def __init__(self, path: Path) -> None:
        self._path, self._files = path, own_files.locate(path)
        self._digests: dict[str, str] = {}
        training, test = self.training(), self.test()
        counts, of_test = (np.bincount(of.labels, minlength=10) for of in (training, test))
        self.classes = own_files.read_classes(
            self._files, int(np.flatnonzero(counts + of_test).max()) + 1
        )
        for label in np.flatnonzero((counts + of_test > 0) & (counts < LEAST_OF_A_CLASS)):
            raise DataError(
                f"{path}: expected at least {LEAST_OF_A_CLASS} training images of each class, of "
                f"which one goes to validation, received {counts[label]} of label {label}"
            )
        self.training_size = len(training)
        self.validation_size = -(-len(training) // LEAST_OF_A_CLASS)
        names = "\n".join(self.classes)
        parts = {**self._digests, "classes": hashlib.sha256(names.encode()).hexdigest()}
        self._listing = [f"{digest}  {part}" for part, digest in parts.items()]
        self.sha256 = hashlib.sha256("\n".join(self._listing).encode()).hexdigest()
        self.title = f"own images {self.sha256[:12]}"
        self.source = f"own images in {path.absolute()}"

    def training(self) -> Examples:
        """All images of ``train``."""
        return self._read("train")

    def test(self) -> Examples:
        """All images of ``t10k``."""
        return self._read("t10k")

    def checksums(self) -> list[str]:
        """SHA-256 of images and labels of each part, and of the class names."""
        return [f"recorded, not compared, of {self._path}:", *(f"  {of}" for of in self._listing)]

    def _read(self, part: str) -> Examples:
        images, labels = own_files.read(self._files, part)
        examples = Examples(images[..., np.newaxis], labels)
        if self._digests.setdefault(part, examples.sha256) != examples.sha256:
            raise DataError(
                f"{self._path}: expected the images that were there at the beginning, received "
                f"others in {part}: the files have changed meanwhile; begin again"
            )
        return examples
