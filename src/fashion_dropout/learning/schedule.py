"""The learning rate of every gradient step, a pure function of the configuration and the step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fashion_dropout.config.training import TrainingConfig

_RISE = 0.3  # of a one-cycle run without a warm-up of its own
_FIRST, _LAST = 1 / 25, 1e-4 / 25  # of one cycle's rates, as shares of the highest


def learning_rates(config: TrainingConfig, epoch: int, batches: int) -> NDArray[np.float64]:
    """The learning rates of one epoch.

    With W steps of warm-up of T in all, step t = 1 … T has, as a share of ``learning_rate``:

    - warm-up: t/W, up to step W, under ``constant`` and ``cosine``;
    - ``constant``: 1 after it; ``cosine``: (1 + cos(π·(t − W)/(T − W)))/2, so 0 at the last step
      (Loshchilov and Hutter 2017, without restarts);
    - ``one-cycle`` (Smith and Topin 2018, the form of PyTorch's OneCycleLR, without its momenta):
      half a cosine from 1/25 up to 1 over W, then one down to 1/250,000. Without warm-up epochs W
      is 30 % of T.

    Args:
        config: Schedule, warm-up, epochs and the highest learning rate.
        epoch: From 1.
        batches: Gradient steps in an epoch.

    Returns:
        float64 of shape (batches,).
    """
    last = config.epochs * batches
    step = np.arange((epoch - 1) * batches + 1, epoch * batches + 1, dtype=np.float64)
    warmup = float(config.warmup_epochs * batches)
    if config.schedule == "one-cycle":
        warmup = warmup or _RISE * last
        rise = _between(_FIRST, 1.0, step / warmup)
        fall = _between(1.0, _LAST, (step - warmup) / max(last - warmup, 1))
    else:
        rise = step / max(warmup, 1)
        fall = np.ones(batches)
        if config.schedule == "cosine":
            fall = _between(1.0, 0.0, (step - warmup) / max(last - warmup, 1))
    return config.learning_rate * np.where(step <= warmup, rise, fall)


def _between(begin: float, end: float, way: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half a cosine from one value to another; `way` goes from 0 to 1."""
    return end + (begin - end) * (1 + np.cos(np.pi * way)) / 2
