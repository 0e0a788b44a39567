"""Images with their labels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

EVALUATED_TRAINING_IMAGES = 10_000
"""Training loss and accuracy are measured on this many first images of the training split."""


@dataclass(frozen=True)
class Examples:
    """Images with their labels.

    Attributes:
        images: uint8 of shape (n, 28, 28, 1), grey values from 0 (background) to 255.
        labels: uint8 of shape (n,), values 0 … 9.
        sha256: SHA-256 of the images' bytes followed by the labels' bytes, hexadecimal.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        object.__setattr__(self, "sha256", digest.hexdigest())

    def __len__(self) -> int:
        return len(self.labels)
