"""Which kernels TensorFlow computes with: chosen, recognized, the same bits everywhere."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from conftest import TRAIN as TRAINING
from conftest import clean_environment, run_command
from fashion_dropout import environment
from fashion_dropout.errors import UsageError
from fashion_dropout.learning import kernels
from faults.interrupting import only_run

HASWELL = frozenset({"sse4_1", "avx", "avx2"})
SKYLAKE = HASWELL | {"avx512f", "avx512bw", "avx512vl", "avx512dq"}
COOPER_LAKE = SKYLAKE | {"avx512_vnni", "avx512_bf16"}

needs_avx2 = pytest.mark.skipif(
    not kernels.is_x86_64() or "avx2" not in kernels.cpu_flags(), reason="no x86-64 CPU with AVX2"
)


@pytest.mark.parametrize(
    ("flags", "limit", "name"),
    [
        (HASWELL, None, "avx2"),
        (HASWELL | {"avx_vnni"}, None, "avx2_vnni"),
        (SKYLAKE, None, "avx512_core"),
        (COOPER_LAKE, None, "avx512_core_bf16"),
        (COOPER_LAKE, "AVX2", "avx2"),
        (COOPER_LAKE, "AVX2_VNNI_2", "avx2"),
        (COOPER_LAKE | {"avx_vnni"}, "AVX2_VNNI_2", "avx2_vnni"),
        (HASWELL | {"avx_vnni", "avx_vnni_int8", "avx_ne_convert"}, None, "avx2_vnni_2"),
        (COOPER_LAKE, "avx512_core", "avx512_core"),
        (COOPER_LAKE, "nonsense", "avx512_core_bf16"),
        (HASWELL, "AVX512_CORE", "avx2"),
        (HASWELL | {"avx512f"}, None, "avx2"),
        (frozenset(), None, "unknown"),
    ],
)
def test_the_instruction_set_has_onednns_name(flags, limit, name):
    assert kernels.instruction_set(flags, limit) == name


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (HASWELL, ", avx2\nto expect: 2,100 to 2,600 images/s a core"),
        (COOPER_LAKE, ", avx512_core_bf16\nto expect: 3,400 to 7,200 images/s a core"),
        (frozenset({"sse4_1"}), ", sse41\nhow fast it trains was not measured"),
    ],
)
def test_a_machine_is_told_what_to_expect(monkeypatch, flags, words):
    monkeypatch.setattr(kernels, "is_x86_64", lambda: True)
    monkeypatch.setattr(kernels, "cpu_flags", lambda: flags)
    monkeypatch.delenv(kernels.LIMIT_VARIABLE, raising=False)
    assert words in kernels.describe_machine()


def in_process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = clean_environment()
    for name in (kernels.ONEDNN_VARIABLE, kernels.LIMIT_VARIABLE):
        variables.pop(name, None)
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**variables, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


MULTIPLY = (
    "from fashion_dropout.learning.runtime import start_tensorflow; k = start_tensorflow(1);"
    "import tensorflow as tf; tf.linalg.matmul(tf.ones([64, 64]), tf.ones([64, 64]));"
    "print('KERNELS', k.onednn, k.instruction_set, k.device)"
)
WORDS_OF_ONEDNN = {
    "avx2": "Intel AVX2",
    "avx2_vnni": "Intel AVX2 with Intel DL Boost",
    "avx512_core": "Intel AVX-512 with AVX512BW, AVX512VL, and AVX512DQ extensions",
    "avx512_core_vnni": "Intel AVX-512 with Intel DL Boost",
    "avx512_core_bf16": "Intel AVX-512 with Intel DL Boost and bfloat16 support",
    "avx512_core_fp16": "Intel AVX-512 with float16, Intel DL Boost and bfloat16 support",
    "avx512_core_amx": (
        "Intel AVX-512 with float16, Intel DL Boost and bfloat16 support and Intel AMX with "
        "bfloat16 and 8-bit integer support"
    ),
}


@pytest.mark.slow
@needs_avx2
@pytest.mark.parametrize("limit", [{}, {kernels.LIMIT_VARIABLE: "AVX2"}], ids=["all", "AVX2"])
def test_onednn_is_on_and_itself_names_the_instruction_set_that_is_recorded(limit):
    done = in_process(MULTIPLY, ONEDNN_VERBOSE="1", **limit)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    (said,) = [line for line in lines if line.startswith("onednn_verbose") and ",isa:" in line]
    (ours,) = [line.split() for line in lines if line.startswith("KERNELS")]
    assert ours[1] == "True"
    assert said.partition(",isa:")[2] == WORDS_OF_ONEDNN[ours[2]]


@pytest.mark.slow
def test_the_users_own_setting_is_respected():
    done = in_process(MULTIPLY, **{kernels.ONEDNN_VARIABLE: "0"})
    assert done.stdout.splitlines()[-1].split()[1] == "False", done.stderr


@pytest.mark.parametrize(
    ("choice", "environment", "message"),
    [
        ("native", "yes", "expected TF_ENABLE_ONEDNN_OPTS to be 0 or 1, received 'yes'"),
        ("portable", "0", "expected TF_ENABLE_ONEDNN_OPTS to be 1 for kernels portable"),
    ],
)
def test_a_setting_that_cannot_be_followed_is_refused(monkeypatch, choice, environment, message):
    monkeypatch.setattr(kernels, "cpu_flags", lambda: HASWELL)
    monkeypatch.setenv(kernels.ONEDNN_VARIABLE, environment)
    with pytest.raises(UsageError, match=message):
        kernels.choose(choice)
    assert os.environ[kernels.ONEDNN_VARIABLE] == environment


SAPPHIRE_RAPIDS = COOPER_LAKE | {"avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"}


def test_fast_kernels_need_amx(monkeypatch):
    monkeypatch.setattr(kernels, "is_x86_64", lambda: True)
    monkeypatch.setattr(kernels, "cpu_flags", lambda: COOPER_LAKE)
    monkeypatch.delenv(kernels.ARITHMETIC_VARIABLE, raising=False)
    with pytest.raises(
        UsageError, match=r"expected an x86-64 CPU with AMX .* avx512_core_bf16; le"
    ):
        kernels.choose("fast")
    assert kernels.ARITHMETIC_VARIABLE not in os.environ


def test_fast_kernels_are_bfloat16_arithmetic_and_a_stored_model_keeps_them(monkeypatch):
    for name in (kernels.ARITHMETIC_VARIABLE, kernels.LIMIT_VARIABLE, kernels.ONEDNN_VARIABLE):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(kernels, "is_x86_64", lambda: True)
    monkeypatch.setattr(kernels, "cpu_flags", lambda: SAPPHIRE_RAPIDS)
    kernels.choose("native")
    assert kernels.ARITHMETIC_VARIABLE not in os.environ
    kernels.choose("fast")
    assert environment.of_model()[kernels.ARITHMETIC_VARIABLE] == "BF16"
    monkeypatch.setenv(kernels.LIMIT_VARIABLE, "AVX2")
    with pytest.raises(UsageError, match="expected no ONEDNN_MAX_CPU_ISA for kernels fast"):
        kernels.choose("fast")


@pytest.mark.slow
@pytest.mark.skipif("amx_bf16" in kernels.cpu_flags(), reason="this CPU has AMX")
def test_where_there_is_no_amx_a_run_with_fast_kernels_is_refused_in_one_line(tmp_path):
    done = run_command(*TRAINING, "--kernels", "fast", cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "AMX for kernels fast" in line
    assert not list(tmp_path.rglob("*.keras"))


@pytest.mark.slow
@pytest.mark.skipif("amx_bf16" not in kernels.cpu_flags(), reason="this CPU has no AMX")
def test_where_there_is_amx_fast_kernels_give_other_bits_that_repeat(tmp_path, finished_run):
    found = [only_run(finished_run.folder).data.tags["weights.last.sha256"]]
    for place in ("one", "two"):
        folder = tmp_path / place
        folder.mkdir()
        done = run_command(*TRAINING, "--kernels", "fast", cwd=folder)
        assert done.returncode == 0, done.stderr
        found.append(only_run(folder).data.tags["weights.last.sha256"])
    assert found[0] != found[1] == found[2]


def test_a_cpu_without_avx_is_refused_before_tensorflow_aborts(monkeypatch):
    monkeypatch.setattr(kernels, "is_x86_64", lambda: True)
    monkeypatch.setattr(kernels, "cpu_flags", lambda: frozenset({"sse4_1"}))
    with pytest.raises(
        UsageError, match=r"expected a CPU with AVX, .* received sse41; use another"
    ):
        kernels.choose("native")


def test_portable_kernels_need_avx2(monkeypatch):
    monkeypatch.setattr(kernels, "cpu_flags", lambda: frozenset({"sse4_1", "avx"}))
    monkeypatch.delenv(kernels.LIMIT_VARIABLE, raising=False)
    with pytest.raises(UsageError, match=r"expected an x86-64 CPU with AVX2 .*leave out --kernels"):
        kernels.choose("portable")
    assert kernels.LIMIT_VARIABLE not in os.environ


TRAIN = """
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.learning.dataset import open_dataset
from fashion_dropout.learning.runtime import start_tensorflow
from fashion_dropout.learning.split import split_of
start_tensorflow(1, "portable")
from fashion_dropout.learning.model import build_classifier, build_network
from fashion_dropout.learning.training import Trainer
config = TrainingConfig(dropout=0.5, seed=0, epochs=2, dataset="synthetic")
split = split_of(open_dataset("synthetic"), 0)
trainer = Trainer(build_classifier(build_network(0.5, 0)), *split, config)
print(*[trainer.weights_sha256()[:16] for _ in trainer.epochs()])
try:
    start_tensorflow(1, "native")
except Exception as error:
    print(error)
"""


@pytest.mark.slow
@needs_avx2
def test_portable_kernels_give_the_bits_that_another_kind_of_cpu_gave():
    """The digests were printed on an AMD EPYC of the Zen 3 kind, without AVX-512."""
    done = in_process(TRAIN)
    digests, refused = done.stdout.splitlines()
    assert digests == "4f4357235967bb31 6fad7dbb63f5d791", done.stderr
    assert refused == (
        "expected kernels portable, as TensorFlow works with in this process, received native; use "
        "another process"
    )


@pytest.mark.slow
def test_who_was_refused_a_gpu_may_go_on_without_one():
    """As a worker of a cluster that is given a study for GPUs, and then another one."""
    done = in_process(
        "from fashion_dropout.learning.runtime import start_tensorflow\n"
        "for device in ('gpu', 'gpu', 'auto'):\n"
        "    try: print(start_tensorflow(1, 'native', device).device)\n"
        "    except Exception as error: print(error)\n"
    )
    first, second, last = done.stdout.splitlines()
    if not first.startswith("expected a GPU"):
        pytest.skip("this machine has a GPU")
    assert second == first
    assert last == "cpu", done.stderr


@pytest.mark.slow
def test_a_gpu_that_is_not_there_is_one_line(tmp_path):
    """A process of its own: the first training in a process chooses its device for good."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    done = run_command("train", "--dataset", "synthetic", "--device", "gpu", cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: expected a GPU that TensorFlow can use, received none")
