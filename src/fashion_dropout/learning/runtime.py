"""Starting TensorFlow: its process-wide settings, and its banner."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from fashion_dropout.errors import UsageError

_BANNER = re.compile(
    r"[IE]\d{4} .*(oneDNN custom|cudart_stub|cpu_feature_guard|cuda_platform)"
    r"|To enable the following instructions"
    r"|WARNING: All log messages before absl::InitializeLog"
)


def start_tensorflow(threads: int) -> None:
    """Import TensorFlow and give every operation `threads` threads in this process.

    How an operation's work is cut up decides the order of its sums and so its bits: this number
    is part of a run's configuration. How many *operations* run side by side (inter-op) changes no
    bit and is left to TensorFlow or to ``TF_NUM_INTEROP_THREADS``.

    Raises:
        UsageError: TensorFlow already works with another number in this process.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with _without_banner():
        import tensorflow as tf

        threading = tf.config.threading
        try:
            if threading.get_intra_op_parallelism_threads() != threads:
                threading.set_intra_op_parallelism_threads(threads)
        except RuntimeError as error:
            raise UsageError(
                f"expected threads {threading.get_intra_op_parallelism_threads()}, as TensorFlow "
                f"works with in this process, received {threads}; use another process"
            ) from error
        tf.config.list_logical_devices()


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
