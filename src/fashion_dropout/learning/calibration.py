"""Temperature scaling: confidence corrected by one number that leaves every answer as it is.

Guo et al. 2017, *On Calibration of Modern Neural Networks* (arXiv 1706.04599). What a regime gains
in likelihood and calibration beyond that number is more than a matter of confidence.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

_RANGE = (0.05, 20.0)  # of the temperature
_SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)


def fit_temperature(probabilities: NDArray[np.float32], labels: NDArray[np.integer]) -> float:
    """The temperature of the lowest negative log-likelihood, between 0.05 and 20.

    Above 1 it makes the network less sure. It should be fitted on other images than those that the
    network was trained on, and than those that it is tested on.

    Args:
        probabilities: float32 of shape (n, classes), n ≥ 1.
        labels: The true classes, integers of shape (n,).
    """
    logits = _logits(probabilities)
    true = logits[np.arange(len(labels)), labels].mean()

    def loss(sharpness: float) -> float:
        """The mean of −ln p(true class) at 1 / temperature, a convex function of it."""
        factor = math.exp(sharpness)
        return float(special.logsumexp(factor * logits, axis=1).mean() - factor * true)

    bounds = (math.log(1 / _RANGE[1]), math.log(1 / _RANGE[0]))
    found = optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-5})
    return float(math.exp(-found.x))


def at_temperature(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """The probabilities that a network gives when its logits are divided by a temperature.

    Args:
        probabilities: float32 of shape (n, classes).
        temperature: Greater than 0; 1 changes nothing.

    Returns:
        float32 of shape (n, classes). The order of the classes of an image stays the same.
    """
    scaled = special.softmax(_logits(probabilities) / temperature, axis=1)
    return np.asarray(scaled, dtype=np.float32)


def _logits(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logits up to a number for each image, which softmax does not see.

    A probability that float32 rounds to zero counts as its smallest normal number, as it does in
    `metrics.negative_log_likelihood`.
    """
    return np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST_PROBABILITY))
