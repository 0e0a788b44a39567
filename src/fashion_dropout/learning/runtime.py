"""Starting TensorFlow: its process-wide settings, and its banner."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Literal

from fashion_dropout import environment
from fashion_dropout.collector import importing
from fashion_dropout.errors import UsageError
from fashion_dropout.learning.kernels import KernelChoice, Kernels, choose, in_force

DeviceChoice = Literal["auto", "cpu", "gpu"]

_BANNER = re.compile(
    r"[IE]\d{4} .*(oneDNN custom|cudart_stub|cpu_feature_guard|cuda_platform)"
    r"|To enable the following instructions"
    r"|WARNING: All log messages before absl::InitializeLog"
)


@dataclass(frozen=True)
class _Settings:
    """What TensorFlow was started with; none of it can change in a process."""

    threads: int
    kernels: KernelChoice
    device: DeviceChoice


_started: _Settings | None = None
_refused: dict[_Settings, UsageError] = {}  # by TensorFlow, which is imported all the same


def start_tensorflow(
    threads: int, kernels: KernelChoice = "native", device: DeviceChoice = "auto"
) -> Kernels:
    """Import TensorFlow and decide what it computes with in this process.

    How an operation's work is cut up decides the order of its sums and so its bits: the number of
    threads, the kernels and the device are part of a run's configuration. How many *operations*
    run side by side (inter-op) changes no bit and is left to TensorFlow or to
    ``TF_NUM_INTEROP_THREADS``.

    Args:
        threads: How many threads each operation has.
        kernels: See `learning.kernels`.
        device: ``cpu``, ``gpu``, or ``auto`` for a GPU where there is one. On a GPU, TensorFlow's
            deterministic operations are used.

    Returns:
        What this process computes with.

    Raises:
        UsageError: TensorFlow already works with other settings in this process, or the machine
            cannot do what is asked.
    """
    global _started  # noqa: PLW0603  TensorFlow's own state is that of the process
    wanted = _Settings(threads, kernels, device)
    if _started is None:
        if wanted in _refused:
            raise _refused[wanted]
        if kernels != "native" and "tensorflow" in sys.modules:
            raise UsageError(
                f"expected to choose kernels {kernels} before TensorFlow is imported, but this "
                "process has imported it; use another process"
            )
        environment.settle()
        choose(kernels)
        try:
            with importing():
                _import(threads, device)
                _configure_keras()
        except UsageError as error:
            _refused[wanted] = error
            raise
        _started = wanted
    check_settings(threads, kernels, device)
    choose(kernels)  # `environment.settle` may have been called since
    return kernels_in_force()


def check_settings(threads: int, kernels: KernelChoice, device: DeviceChoice) -> None:
    """Refuse other settings than those that TensorFlow was started with in this process, if it was.

    Raises:
        UsageError: They are others.
    """
    if _started is None:
        return
    before, now = asdict(_started), asdict(_Settings(threads, kernels, device))
    for name in (name for name in now if now[name] != before[name]):
        raise UsageError(
            f"expected {name} {before[name]}, as TensorFlow works with in this process, received "
            f"{now[name]}; use another process"
        )


def kernels_in_force() -> Kernels:
    """What TensorFlow computes with in this process; it must have been started."""
    import tensorflow as tf
    from tensorflow.python.util import _pywrap_util_port

    gpus = tf.config.list_logical_devices("GPU")
    device = "cpu"
    if gpus:
        details = tf.config.experimental.get_device_details(
            tf.config.list_physical_devices("GPU")[0]
        )
        device = str(details.get("device_name", gpus[0].name))
    return in_force(bool(_pywrap_util_port.IsMklEnabled()), device)


def _import(threads: int, device: DeviceChoice) -> None:
    with _without_banner():
        import tensorflow as tf

        threading = tf.config.threading
        try:
            if threading.get_intra_op_parallelism_threads() != threads:
                threading.set_intra_op_parallelism_threads(threads)
            gpus = tf.config.list_physical_devices("GPU")
            if device == "gpu" and not gpus:
                raise UsageError(
                    "expected a GPU that TensorFlow can use, received none; leave out --device, or "
                    "give auto or cpu"
                )
            if device == "cpu":
                tf.config.set_visible_devices([], "GPU")
            elif gpus:
                tf.config.experimental.enable_op_determinism()
        except RuntimeError as error:
            raise UsageError(
                f"expected threads {threading.get_intra_op_parallelism_threads()}, as TensorFlow "
                f"works with in this process, received {threads}; use another process"
            ) from error
        tf.config.list_logical_devices()


def _configure_keras() -> None:
    """What decides bits, also where this process has imported Keras before and told it otherwise.

    Raises:
        UsageError: Keras has another backend, which cannot change in a process.
    """
    import keras

    if (backend := keras.config.backend()) != "tensorflow":
        raise UsageError(
            f"expected Keras with the backend tensorflow, received {backend}, which this process "
            "has imported; use another process"
        )
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_max_epochs(None)
    keras.config.set_max_steps_per_epoch(None)


@contextmanager
def _without_banner() -> Iterator[None]:
    """Drop the lines that TensorFlow's C++ part prints at every start, and no others.

    They are written before any log level is read, straight to the file descriptor.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            captured.seek(0)
            for line in captured.read().decode(errors="replace").splitlines(keepends=True):
                if not _BANNER.match(line):
                    sys.stderr.write(line)
