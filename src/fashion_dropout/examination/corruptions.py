"""Test images made worse on purpose: six kinds, five severities each, without TensorFlow.

After Hendrycks and Dietterich 2019 (arXiv 1903.12261), for images of 28×28 grey values. What is
random is the same for every model: a pure function of kind, severity and place of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from fashion_dropout import seeds

Images = NDArray[np.uint8]
SEVERITIES = range(1, 6)
"""From hardly to strongly."""

_SEED = 0


def corrupted(images: Images, kind: str, severity: int) -> Images:
    """New images after one of the `CORRUPTIONS`, at one of the `SEVERITIES`; given and returned
    are uint8 of shape (n, 28, 28, 1).
    """
    grey = images[..., 0].astype(np.float32)

    def drawn(*shape: int) -> NDArray[np.float64]:
        """Uniform in (0, 1), of this shape for each image."""
        name = f"stress/{kind}/{severity}"
        words = seeds.random_words(_SEED, name, len(grey) * int(np.prod(shape)))
        return ((words >> np.uint64(11)) + 0.5).reshape(len(grey), *shape) / 2**53

    apply, levels = _KINDS[kind]
    found = apply(grey, levels[severity - 1], drawn)
    return np.clip(np.rint(found), 0, 255).astype(np.uint8)[..., np.newaxis]


_Grey = NDArray[np.float32]
_Drawn = Callable[..., NDArray[np.float64]]


def _noise(grey: _Grey, deviation: float, drawn: _Drawn) -> _Grey:
    normal: NDArray[np.float64] = special.ndtri(drawn(*grey.shape[1:]))
    return (grey + deviation * normal).astype(np.float32)


def _blur(grey: _Grey, deviation: float, drawn: _Drawn) -> _Grey:
    blurred: _Grey = ndimage.gaussian_filter(grey, (0, deviation, deviation), mode="constant")
    return blurred


def _shift(grey: _Grey, pixels: float, drawn: _Drawn) -> _Grey:
    sides, moved = np.floor(4 * drawn()), np.empty_like(grey)
    for side, to in enumerate(((0, 0, pixels), (0, 0, -pixels), (0, pixels, 0), (0, -pixels, 0))):
        moved[sides == side] = ndimage.shift(grey[sides == side], to, order=0)
    return moved


def _rotate(grey: _Grey, degrees: float, drawn: _Drawn) -> _Grey:
    left, turned = drawn() < 0.5, np.empty_like(grey)
    for of, angle in ((left, degrees), (~left, -degrees)):
        turned[of] = ndimage.rotate(
            grey[of], angle, axes=(2, 1), reshape=False, order=1, mode="grid-constant"
        )
    return turned


def _fade(grey: _Grey, share: float, drawn: _Drawn) -> _Grey:
    middle = grey.mean(axis=(1, 2), keepdims=True)
    faded: _Grey = middle + share * (grey - middle)
    return faded


def _occlude(grey: _Grey, side: float, drawn: _Drawn) -> _Grey:
    begin = np.floor(drawn(2) * (grey.shape[1] - side + 1))[..., np.newaxis]
    place = np.arange(grey.shape[1])
    inside = (place >= begin) & (place < begin + side)  # (n, 2, 28): rows and columns
    covered = inside[:, 0, :, np.newaxis] & inside[:, 1, np.newaxis, :]
    return np.where(covered, np.float32(0), grey)


_KINDS: Mapping[str, tuple[Callable[[_Grey, float, _Drawn], _Grey], tuple[float, ...]]] = {
    "noise": (_noise, (10, 20, 30, 45, 65)),  # standard deviation, grey values
    "blur": (_blur, (0.5, 0.75, 1, 1.5, 2)),  # standard deviation of the Gaussian, pixels
    "shift": (_shift, (1, 2, 3, 4, 5)),  # pixels, to one of four sides
    "rotation": (_rotate, (5, 10, 20, 30, 45)),  # degrees, to either side
    "contrast": (_fade, (0.75, 0.5, 0.35, 0.25, 0.15)),  # share of the contrast that is left
    "occlusion": (_occlude, (4, 6, 8, 11, 14)),  # pixels, the side of a black square
}
CORRUPTIONS = tuple(_KINDS)
"""What can be done to images."""
