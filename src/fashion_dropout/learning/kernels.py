"""The kernels that TensorFlow computes with: whose they are, and for which instructions.

Another kernel takes the same sum in another order, and its last digits differ. On x86-64 TensorFlow
contains oneDNN's kernels. It leaves them off on CPUs without AVX-512 VNNI, although they train this
network 1.4 times faster there than its own, and oneDNN picks among them by the instructions of the
CPU. Both choices are read from the environment before the first operation. This module makes them
without importing TensorFlow.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fashion_dropout import provenance
from fashion_dropout.environment import ARITHMETIC_VARIABLE, LIMIT_VARIABLE, ONEDNN_VARIABLE
from fashion_dropout.errors import UsageError

KernelChoice = Literal["native", "portable", "fast"]
"""``native``: the fastest that the CPU has; ``portable``: oneDNN's for AVX2, on every CPU;
``fast``: bfloat16 arithmetic inside float32 operations, on CPUs with AMX."""

_GPUS = ("nvidia[0-9]*", "kfd", "dxg")  # of NVIDIA, of AMD, of either under Windows' Linux
_ON, _OFF = ("1", "true"), ("0", "false")

# oneDNN's names in its order. A CPU has an instruction set if it has the flags of all up to it.
_INSTRUCTION_SETS = {
    "sse41": {"sse4_1"},
    "avx": {"avx"},
    "avx2": {"avx2"},
    "avx2_vnni": {"avx_vnni"},
    "avx2_vnni_2": {"avx_vnni", "avx_vnni_int8", "avx_ne_convert"},
    "avx512_core": {"avx512f", "avx512bw", "avx512vl", "avx512dq"},
    "avx512_core_vnni": {"avx512_vnni"},
    "avx512_core_bf16": {"avx512_bf16"},
    "avx512_core_fp16": {"avx512_fp16"},
    "avx512_core_amx": {"amx_tile", "amx_int8", "amx_bf16"},
}

# Training with oneDNN, batches of 64, one core: the lowest and the highest of the machines seen.
_IMAGES_PER_SECOND = {"avx512": (3_400, 7_200), "avx2": (2_100, 2_600)}
EVALUATION = 1.1
"""How much longer an epoch takes with its evaluation."""
_RUN_IMAGES = 20 * 55_000 * EVALUATION


@dataclass(frozen=True)
class Kernels:
    """What a process computes with.

    Attributes:
        onednn: Whether TensorFlow uses oneDNN's kernels.
        instruction_set: The highest one that oneDNN may use, under its own name, such as ``avx2``
            or ``avx512_core_bf16``; the machine's name where the CPU is not an x86-64 one.
        device: ``cpu``, or the name of the GPU.
    """

    onednn: bool
    instruction_set: str
    device: str


def is_x86_64() -> bool:
    """Whether this machine has oneDNN's kernels for x86-64."""
    return platform.machine().lower() in ("x86_64", "amd64")


def cpu_flags() -> frozenset[str]:
    """The instruction sets of the CPU as Linux names them; empty on other systems."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    lines = (line for line in text.splitlines() if line.startswith("flags"))
    return frozenset(next(lines, "").partition(":")[2].split())


def instruction_set(flags: Set[str], limit: str | None = None) -> str:
    """The highest instruction set that oneDNN may use.

    Args:
        flags: As `cpu_flags` gives them.
        limit: The value of ``ONEDNN_MAX_CPU_ISA`` in upper or lower case; None without one. A
            value that oneDNN does not know is no limit.

    Returns:
        oneDNN's name for it; ``unknown`` if the flags name none.
    """
    found = "unknown"
    names = list(_INSTRUCTION_SETS)
    last = names.index(limit.lower()) if limit and limit.lower() in names else len(names) - 1
    for name in names[: last + 1]:
        if flags >= _INSTRUCTION_SETS[name]:
            found = name
        elif not name.startswith("avx2_"):  # no CPU needs AVX2-VNNI to have AVX-512
            break
    return found


def choose(kernels: KernelChoice) -> None:
    """Choose the kernels of this process; call it before TensorFlow is imported.

    What the user has set in ``TF_ENABLE_ONEDNN_OPTS`` is respected. That oneDNN may use bfloat16
    has no effect on CPUs without AMX: with AVX512-BF16 alone bits and speed stayed the same.

    Raises:
        UsageError: The variable has a value that TensorFlow does not know, or the CPU or a variable
            rules out what is asked.
    """
    if is_x86_64() and (flags := cpu_flags()) and "avx" not in flags:
        raise UsageError(
            "expected a CPU with AVX, without which TensorFlow ends the process, received "
            f"{instruction_set(flags)}; use another machine, or give a virtual one its host's CPU"
        )
    value = os.environ.get(ONEDNN_VARIABLE)
    if value is not None and value.lower() not in (*_ON, *_OFF):
        raise UsageError(
            f"expected {ONEDNN_VARIABLE} to be 0 or 1, received {value!r}; set it to one of them, "
            "or unset it"
        )
    if is_x86_64():
        os.environ.setdefault(ONEDNN_VARIABLE, "1")
    if kernels == "native":
        return
    needed, flag = {"portable": ("AVX2", "avx2"), "fast": ("AMX", "amx_bf16")}[kernels]
    if not is_x86_64() or flag not in cpu_flags():
        raise UsageError(
            f"expected an x86-64 CPU with {needed} for kernels {kernels}, received "
            f"{platform.machine()} with {instruction_set(cpu_flags())}; leave out --kernels"
        )
    if value is not None and value.lower() in _OFF:
        raise UsageError(
            f"expected {ONEDNN_VARIABLE} to be 1 for kernels {kernels}, received {value!r}; "
            "unset it"
        )
    if kernels == "portable":
        os.environ[LIMIT_VARIABLE] = "AVX2"
    elif limit := os.environ.get(LIMIT_VARIABLE):
        raise UsageError(
            f"expected no {LIMIT_VARIABLE} for kernels fast, received {limit!r}; unset it"
        )
    else:
        os.environ[ARITHMETIC_VARIABLE] = "BF16"


def foreseen(kernels: KernelChoice, device: str) -> Kernels | None:
    """Choose the kernels of this process, and say what it will compute with, without TensorFlow.

    Args:
        kernels: As for `choose`, which also gives the errors.
        device: ``auto``, ``cpu`` or ``gpu``.

    Returns:
        What `in_force` will say; None if only TensorFlow can tell, as where there may be a GPU.
    """
    gpu = device == "gpu" or (device == "auto" and any(map(any, map(Path("/dev").glob, _GPUS))))
    if gpu or not is_x86_64() or not cpu_flags():
        return None
    choose(kernels)
    return in_force(os.environ[ONEDNN_VARIABLE].lower() in _ON, "cpu")


def in_force(onednn: bool, device: str) -> Kernels:
    """The kernels of this process.

    Args:
        onednn: Whether TensorFlow uses oneDNN's kernels.
        device: ``cpu``, or the name of the GPU.
    """
    limit = os.environ.get(LIMIT_VARIABLE)
    found = instruction_set(cpu_flags(), limit) if is_x86_64() else platform.machine()
    return Kernels(onednn, found, device)


def training_speed(kernels: KernelChoice = "native") -> tuple[int, int] | None:
    """Training images per second on one core: the lowest and the highest of the machines of this
    kind that were measured; None if none was.
    """
    found = instruction_set(cpu_flags(), os.environ.get(LIMIT_VARIABLE)) if is_x86_64() else ""
    if kernels == "portable" and found.startswith("avx512"):
        found = "avx2"
    return _IMAGES_PER_SECOND.get("avx512" if found.startswith("avx512") else found)


def describe_machine() -> str:
    """What this machine is and how fast it trains, as far as its kind tells."""
    text = f"this machine: {provenance.cpu()}"
    if is_x86_64():
        text += f", {instruction_set(cpu_flags(), os.environ.get(LIMIT_VARIABLE))}"
    speeds = training_speed()
    if speeds is None:
        return f"{text}\nhow fast it trains was not measured on machines of this kind"
    slow, fast = speeds
    minutes = [_RUN_IMAGES / speed / 60 for speed in (fast, slow)]
    return (
        f"{text}\n"
        f"to expect: {slow:,} to {fast:,} images/s a core, as on the machines of this kind that "
        f"were measured; a run of 20 epochs on Fashion-MNIST takes {minutes[0]:.0f} to "
        f"{minutes[1]:.0f} minutes, and a study runs {provenance.runs_at_once()} at once"
    )
