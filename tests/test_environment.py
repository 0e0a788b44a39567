"""What of a user's machine is followed: each variable that may reach the program."""

from __future__ import annotations

import os
import re
import socket
import warnings
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper

import keras
import pytest

from conftest import ROOT
from fashion_dropout import environment


@pytest.fixture(autouse=True)
def variables() -> Iterator[None]:
    """An environment that is put back afterwards."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TF_XLA_FLAGS", "--tf_xla_auto_jit=2"),
        ("TF_FUNCTION_JIT_COMPILE_DEFAULT", "1"),
        ("XLA_FLAGS", "--xla_nothing"),
        ("ONEDNN_DEFAULT_FPMATH_MODE", "BF16"),
        ("DNNL_MAX_CPU_ISA", "SSE41"),
        ("KERAS_MAX_EPOCHS", "1"),
        ("KERAS_MAX_STEPS_PER_EPOCH", "1"),
    ],
)
def test_what_decides_bits_is_taken_away_and_named(name, value):
    os.environ[name] = value
    assert environment.settle() == [name]
    assert name not in os.environ


@pytest.mark.parametrize(
    "name",
    [
        *sorted(environment.FOLLOWED),
        *("TF_VAR_region", "TF_CLI_CONFIG_FILE", "TF_BUILD", "TF_CLOUD_ORGANIZATION", "TF_IGNORE"),
    ],
)
def test_what_is_followed_stays_as_it_is(name):
    os.environ[name] = "anything"
    assert environment.settle() == []
    assert os.environ[name] == "anything"


@pytest.mark.parametrize("name", environment.SET)
def test_what_is_set_is_set_whatever_it_was(name):
    os.environ[name] = "true"
    environment.settle()
    assert os.environ[name] == environment.SET[name]


@pytest.mark.parametrize("name", environment.DEFAULTS)
def test_a_default_gives_way_to_the_user(name):
    os.environ[name] = "the user's"
    environment.settle()
    assert os.environ[name] == "the user's"
    del os.environ[name]
    environment.settle()
    assert os.environ[name] == environment.DEFAULTS[name]


@pytest.mark.parametrize("name", environment.REMOVED)
def test_what_is_meant_for_others_is_removed(name):
    os.environ[name] = "default"
    with warnings.catch_warnings():
        environment.settle()
    assert name not in os.environ


def test_to_settle_twice_changes_nothing_more():
    os.environ |= {"TF_XLA_FLAGS": "x", "http_proxy": "http://127.0.0.1:9"}
    environment.settle()
    after = dict(os.environ)
    assert environment.settle() == []
    assert dict(os.environ) == after


def test_a_warning_is_no_failure_because_a_variable_wants_it():
    os.environ["PYTHONWARNINGS"] = "error"
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("error")
        environment.settle()
        warnings.warn("of a library", UserWarning, stacklevel=1)
        warnings.warn("of its next version", DeprecationWarning, stacklevel=1)
    assert [str(one.message) for one in shown] == ["of a library"]


@pytest.mark.parametrize("proxy", ["http_proxy", "HTTPS_PROXY", "all_proxy"])
@pytest.mark.parametrize("before", ["", "example.org", "localhost"])
def test_no_proxy_stands_before_this_machine(proxy, before):
    from requests.utils import should_bypass_proxies

    for name in ("no_proxy", "NO_PROXY"):
        os.environ.pop(name, None)
    os.environ |= {proxy: "http://127.0.0.1:9", "no_proxy": before}
    environment.settle()
    for host in ("127.0.0.1:5000", "localhost:5000", f"{socket.gethostname()}:5000"):
        assert should_bypass_proxies(f"http://{host}/health", None)
    assert not should_bypass_proxies("http://tracking.example.com/", None)
    assert os.environ["no_proxy"].startswith(before)


@pytest.mark.parametrize("named", ["tracking.example.com", "*"])
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_hosts_that_the_user_excepts_stay_excepted_in_small_letters_and_in_capitals(name, named):
    from requests.utils import should_bypass_proxies

    for other in ("no_proxy", "NO_PROXY"):
        os.environ.pop(other, None)
    os.environ |= {"https_proxy": "http://127.0.0.1:9", name: named}
    environment.settle()
    for host in ("tracking.example.com", "127.0.0.1:5000"):
        assert should_bypass_proxies(f"https://{host}/", None)


def test_names_in_no_proxy_may_have_spaces_around_them():
    os.environ |= {"http_proxy": "http://127.0.0.1:9", "no_proxy": "localhost , example.org"}
    environment.settle()
    assert os.environ["no_proxy"].split(",")[:3] == ["localhost", "example.org", "127.0.0.1"]
    assert os.environ["no_proxy"].split(",").count("localhost") == 1


def test_without_a_proxy_nothing_is_said_of_one():
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            del os.environ[name]
    environment.settle()
    assert not [name for name in os.environ if name.lower().endswith("_proxy")]


def test_a_model_is_computed_with_what_it_was_trained_with():
    os.environ |= {"TF_ENABLE_ONEDNN_OPTS": "True", "KERAS_BACKEND": "jax"}
    os.environ.pop("ONEDNN_MAX_CPU_ISA", None)
    trained_with = environment.of_model()
    assert trained_with == {"TF_ENABLE_ONEDNN_OPTS": "1"}
    os.environ |= {"TF_ENABLE_ONEDNN_OPTS": "0", "ONEDNN_MAX_CPU_ISA": "SSE41", "MPLBACKEND": "x"}
    environment.settle_for_model(trained_with)
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1"
    assert os.environ["KERAS_BACKEND"] == "tensorflow"
    assert "ONEDNN_MAX_CPU_ISA" not in os.environ
    assert os.environ["MPLBACKEND"] == "x"  # of the process, which may be anybody's


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "shift_jis"])
def test_what_a_terminal_cannot_show_is_replaced(encoding):
    written = BytesIO()
    stream = TextIOWrapper(written, encoding=encoding)
    with pytest.raises(UnicodeEncodeError):
        stream.write("gap \u2212 0.1 \u00e4\ud7ff")
    environment.write_what_can_be_shown(stream, None)
    stream.write("gap \u2212 0.1 \ud7ff")
    stream.flush()
    assert written.getvalue().decode(encoding).startswith("gap ")
    assert b"?" in written.getvalue()


@pytest.mark.parametrize("page", ["reliability.md", "reliability.ja.md"])
def test_the_page_names_every_variable_that_is_decided(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Za-z0-9_]+)`", text))
    decided = {
        *environment.FOLLOWED,
        *environment.SET,
        *environment.DEFAULTS,
        *environment.REMOVED,
        *environment.OF_A_SERVER,
        *environment.FOR_UI,
        *environment.FOR_WORKERS,
        *environment.NOT_OF_DASK,
        *environment.WHILE_ASKING,
        *environment.DECIDING_BITS,
    }
    assert decided <= named


def test_a_model_is_not_loaded_into_keras_with_another_backend(monkeypatch):
    """Keras' other backends need packages that are not installed here; its answer is enough."""
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with pytest.raises(
        ImportError, match="expected Keras with the backend tensorflow, received jax"
    ):
        environment.settle_for_model({})
