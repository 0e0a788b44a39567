"""What of a user's machine the program follows: the one place that decides.

A variable or a file that was set for something else must not change what a run computes, what is
delivered, or whether a command ends. `settle` is called first: by the command, by the workers of a
study, by the process that asks MLflow in the background, and by the loader of a stored model,
beside which a copy of this file is stored. So this module needs nothing but Python.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping
from io import TextIOWrapper
from socket import gethostname
from typing import TextIO

DECIDING_BITS = ("TF_", "TF2_", "XLA_", "ONEDNN_", "DNNL_", "KERAS_")
"""How the variables of TensorFlow, oneDNN and Keras begin. Most of them change what is computed or
how much of it, so only those in `FOLLOWED` are followed."""

ONEDNN_VARIABLE = "TF_ENABLE_ONEDNN_OPTS"
LIMIT_VARIABLE = "ONEDNN_MAX_CPU_ISA"
ARITHMETIC_VARIABLE = "ONEDNN_DEFAULT_FPMATH_MODE"

FOLLOWED = frozenset(
    {
        ONEDNN_VARIABLE,  # recorded with each run, as is the next one
        LIMIT_VARIABLE,
        "TF_NUM_INTEROP_THREADS",  # changes no bit
        "TF_CONFIG",  # what training platforms set; nothing here reads it
        "TF_FORCE_GPU_ALLOW_GROWTH",
        "TF_GPU_ALLOCATOR",
        "TF_CPP_MIN_LOG_LEVEL",
        "TF_CPP_MAX_VLOG_LEVEL",
        "TF_CPP_VMODULE",
        "ONEDNN_VERBOSE",
    }
)

_OF_OTHERS = (  # Terraform's variables, and one of Azure Pipelines
    *("TF_VAR_", "TF_CLI_", "TF_LOG", "TF_DATA_DIR", "TF_WORKSPACE", "TF_IN_AUTOMATION"),
    *("TF_INPUT", "TF_PLUGIN_", "TF_REGISTRY_", "TF_TOKEN_", "TF_BUILD", "TF_CLOUD_"),
    *("TF_IGNORE", "TF_STATE_PERSIST_INTERVAL"),
)

SET: Mapping[str, str] = {
    "KERAS_BACKEND": "tensorflow",
    "TF2_BEHAVIOR": "1",  # TensorFlow sets it, too
    # A place where nothing can be: Keras then reads no keras.json, and writes none.
    "KERAS_HOME": f"{os.devnull}/keras",
    "MPLBACKEND": "agg",
    # Delivered means written. MLflow's queue loses what it holds when a server goes away.
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    # Requirements are pinned; resolving them again needs a network and takes minutes.
    "MLFLOW_LOCK_MODEL_DEPENDENCIES": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
}
"""Variables that have this value, whatever they had."""

DEFAULTS: Mapping[str, str] = {
    # MLflow sends telemetry unless it is told otherwise before it is imported. Nobody
    # who starts this program has agreed to that; the variable set to false turns it on.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",  # or MLflow's GitPython fails where there is no git
}
"""Variables that have this value unless the user has given another one."""

REMOVED = (
    "MLFLOW_ACTIVE_MODEL_ID",  # metrics would be recorded as those of that model
    "PYTHONWARNINGS",  # “error” makes a failure of each warning of a library
    # Git sets these for what its hooks start: another repository would be recorded.
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"),
    *("GIT_PREFIX", "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS"),
)
"""Variables of other programs that are taken away."""

OF_A_SERVER = (
    *("MLFLOW_STATIC_PREFIX", "MLFLOW_ARTIFACTS_ONLY", "MLFLOW_SERVE_ARTIFACTS"),
    *("MLFLOW_GUNICORN_OPTS", "MLFLOW_UVICORN_OPTS", "MLFLOW_EXPOSE_PROMETHEUS"),
    *("MLFLOW_READ_REPLICA_BACKEND_STORE_URI", "MLFLOW_REGISTRY_STORE_URI"),
)
"""Options of a server that somebody runs on this machine: not of the one that ``ui`` starts."""

FOR_UI: Mapping[str, str] = {
    # One worker and no job runner: two processes, where MLflow would start six. It answers only to
    # the names of this machine, so that no other page can speak to it, and unpickles nothing.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "127.0.0.1:*,localhost:*",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "",
    "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""What the server that ``ui`` starts has instead."""

_THREADS_OF_OTHERS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

FOR_WORKERS: Mapping[str, str] = dict.fromkeys(("TF_NUM_INTEROP_THREADS", *_THREADS_OF_OTHERS), "1")
"""What the workers of a study on this machine have. One core a run: as many runs as cores are
faster than one run on all of them, bit for bit."""

NOT_OF_DASK = (
    # Memory goes back to the system at once, and glibc maps every larger allocation on its own.
    # With TensorFlow's own kernels a worker then spends 40 % of its time on page faults.
    "MALLOC_TRIM_THRESHOLD_",
    *_THREADS_OF_OTHERS,  # in this process, too, at a moment that nobody knows
)
"""What Dask would set before it starts them."""

WHILE_ASKING: Mapping[str, str] = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # with the password, if the URL has one
}
"""What MLflow has while it is asked a question, unless the user has set it."""

_MODEL = (ONEDNN_VARIABLE, LIMIT_VARIABLE, ARITHMETIC_VARIABLE)
_NUMBERS = {"true": "1", "false": "0"}  # TensorFlow takes both
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def settle() -> list[str]:
    """Decide the variables of this process and of those that it starts; call it first.

    Returns:
        The variables of TensorFlow, oneDNN and Keras that the user has set and that are not
        followed.
    """
    if "PYTHONWARNINGS" in os.environ:
        _usual_warnings()
    ignored = _drop_what_decides_bits()
    for name in REMOVED:
        os.environ.pop(name, None)
    os.environ.update(SET)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    _ask_this_machine_directly()
    _name_the_user()
    return ignored


def settle_for_model(trained_with: Mapping[str, str]) -> None:
    """Decide what the bits of a stored model depend on, in a process that loads it, by what
    `of_model` gave where the model was trained.

    The process may be anybody's, so nothing else of its environment is touched.

    Raises:
        ImportError: Keras is there already, with another backend.
    """
    _drop_what_decides_bits()
    os.environ["KERAS_BACKEND"] = SET["KERAS_BACKEND"]
    for name in _MODEL:
        os.environ.pop(name, None)
    os.environ.update({name: trained_with[name] for name in _MODEL if name in trained_with})
    port = sys.modules.get("tensorflow.python.util._pywrap_util_port")
    if port is not None and ONEDNN_VARIABLE in trained_with:
        received = str(int(port.IsMklEnabled()))
        if received != (expected := trained_with[ONEDNN_VARIABLE]):
            warnings.warn(
                f"expected TensorFlow with {ONEDNN_VARIABLE}={expected}, as this model was "
                f"trained, received {received}, as this process has imported it; the last digits "
                "of probabilities may differ",
                stacklevel=2,
            )
    keras = sys.modules.get("keras")
    if keras is not None and (backend := keras.config.backend()) != SET["KERAS_BACKEND"]:
        raise ImportError(
            f"expected Keras with the backend tensorflow, received {backend}, which this process "
            "has imported; load the model in another process, or set KERAS_BACKEND=tensorflow"
        )


def of_model() -> dict[str, str]:
    """The variables that a model was trained with, and is to be computed with again."""
    found = {name: os.environ[name] for name in _MODEL if name in os.environ}
    return {name: _NUMBERS.get(value.lower(), value) for name, value in found.items()}


def write_what_can_be_shown(*streams: TextIO | None) -> None:
    """Let streams replace what their encoding does not have, where Python would fail on it."""
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _drop_what_decides_bits() -> list[str]:
    ignored = sorted(
        name
        for name, value in os.environ.items()
        if name.startswith(DECIDING_BITS)
        and not name.startswith(_OF_OTHERS)
        and name not in FOLLOWED
        and value != SET.get(name)
    )
    for name in ignored:
        del os.environ[name]
    return ignored


def _usual_warnings() -> None:
    """Python's own rules for warnings, in front of the user's, here and in child processes."""
    sys.warnoptions.clear()
    warnings.simplefilter("default")
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)


def _ask_this_machine_directly() -> None:
    """Let no proxy stand between this process and servers on this machine."""
    if not any(name.lower() in ("http_proxy", "https_proxy", "all_proxy") for name in os.environ):
        return
    for name, variant in (("no_proxy", "NO_PROXY"), ("NO_PROXY", "no_proxy")):
        value = os.environ.get(name) or os.environ.get(variant, "")  # who finds one reads no other
        named = [host.strip() for host in value.split(",") if host.strip()]
        if "*" in named:  # for no server at all, which it means only if it stands alone
            continue
        missing = [host for host in (*_LOOPBACK, gethostname()) if host not in named]
        os.environ[name] = ",".join([*named, *missing])


def _name_the_user() -> None:
    """A user id without a name, as in a container: MLflow wants one for each run."""
    import pwd  # not above: a stored model may be loaded where there is none

    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        if not any(os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME")):
            os.environ["LOGNAME"] = f"uid{os.getuid()}"
