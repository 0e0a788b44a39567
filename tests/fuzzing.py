"""Made-up input for all that reads what comes from outside: it is read, or refused in one line.

Used by ``tests/faults/test_fuzzing.py`` with few inputs and by ``benchmarks/fuzz.py`` with many.
"""

from __future__ import annotations

import gzip
import json
import logging
import struct
import tomllib
import warnings
import zlib
from collections.abc import Callable, Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from conftest import ROOT
from fashion_dropout.config.promotion import read_policy
from fashion_dropout.config.study import parse_study, read_study
from fashion_dropout.errors import FashionDropoutError
from fashion_dropout.escapes import LONGEST_MESSAGE, message
from fashion_dropout.learning import checkpoint
from fashion_dropout.learning.idx import parse_idx
from fashion_dropout.prediction.pictures import read_pictures

STUDY = (ROOT / "experiments/dropout/smoke.toml").read_bytes()
POLICY = (ROOT / "experiments/promotion.toml").read_bytes()


def refused_or_not(read: Callable[[], object]) -> None:
    """Call a reader: it returns, or raises an error of ours whose message is one line."""
    try:
        read()
    except FashionDropoutError as error:
        shown = message(str(error))
        assert len(shown) < LONGEST_MESSAGE * 12
        assert "\n" not in shown


@st.composite
def damaged(draw: st.DrawFn, *whole: bytes) -> bytes:
    """Some content with bytes changed, put in, taken out, or its end missing."""
    content = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(content)))
        end = start + draw(st.integers(0, 8))
        content[start:end] = draw(st.binary(max_size=12))
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(-(10**400), 10**400),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(["none", "dropout", "gap/loss", "lower", "simpler", "a" * 10_000]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


@st.composite
def changed_document(draw: st.DrawFn, whole: bytes) -> dict[str, Any]:
    """A TOML document with values and tables replaced, put in, or taken out."""
    document = tomllib.loads(whole.decode())
    for _ in range(draw(st.integers(1, 4))):
        table = document
        while (inner := [v for v in table.values() if isinstance(v, dict)]) and draw(st.booleans()):
            table = draw(st.sampled_from(inner))
        names = st.sampled_from(sorted(table)) if table else st.nothing()
        name = draw(st.one_of(names, st.text(max_size=8)))
        if draw(st.booleans()) or name not in table:
            table[name] = draw(values)
        else:
            del table[name]
    return document


side = st.one_of(st.sampled_from([0, 1, 27, 28, 29, 2**16, 2**31, 2**32 - 1]), st.integers(0, 99))


@st.composite
def idx_file(draw: st.DrawFn) -> bytes:
    """An IDX file whose header may lie."""
    magic = draw(st.sampled_from([0x803, 0x801, 0x802, 0xD03, 0, 2**32 - 1]))
    shape = draw(st.lists(side, min_size=0, max_size=4))
    fit = int(np.prod(shape, dtype=object)) if shape else 0
    size = draw(st.sampled_from([fit if fit < 10_000 else 5, 0, 1, 784, 785, 2 * 784]))
    content = struct.pack(f">{1 + len(shape)}I", magic, *shape) + bytes(size)
    if draw(st.booleans()):
        content = gzip.compress(content, 1)
    return draw(damaged(content)) if draw(st.booleans()) else content


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file with its checksum."""
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


@st.composite
def png_file(draw: st.DrawFn) -> bytes:
    """A PNG file whose header and chunks may be anything, with checksums that are right."""
    pixels = st.one_of(
        st.integers(0, 70), st.sampled_from([2**14, 20_000, 2**20, 2**31, 2**32 - 1])
    )
    header = struct.pack(
        ">IIBBBBB",
        draw(pixels),
        draw(pixels),
        draw(st.sampled_from([1, 2, 4, 8, 16, 3])),
        draw(st.sampled_from([0, 2, 3, 4, 6, 1])),
        *(draw(st.sampled_from([0, 0, 0, 1, 255])) for _ in range(3)),
    )
    kinds = st.sampled_from(
        [b"PLTE", b"tRNS", b"eXIf", b"iCCP", b"zTXt", b"acTL", b"gAMA", b"IDAT"]
    )
    chunks = [
        chunk(draw(kinds), draw(st.binary(max_size=60))) for _ in range(draw(st.integers(0, 3)))
    ]
    content = zlib.compress(bytes(draw(st.integers(0, 20_000))), 1)
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", content), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def picture(form: str, mode: str, **options: Any) -> bytes:
    """A small picture of noise in a file format."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    stream = BytesIO()
    Image.fromarray(noise).convert(mode).save(stream, form, **options)
    return stream.getvalue()


PICTURES = (
    *(picture("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
    *(picture("JPEG", mode, progressive=p) for mode in ("L", "RGB") for p in (False, True)),
    *(picture(form, mode) for form in ("WEBP", "AVIF") for mode in ("RGB", "RGBA")),
    *(picture("GIF", "P"), picture("BMP", "RGB"), picture("BMP", "P")),
)
grey = st.one_of(
    st.integers(-2, 257),
    st.sampled_from([0.5, float("nan"), float("inf"), -0.0, 1e300, 10**400, "1", None, True, []]),
)


@st.composite
def request(draw: st.DrawFn) -> bytes:
    """The body of a request to the served model."""
    shape = draw(
        st.sampled_from([(1, 28, 28, 1), (2, 28, 28, 1), (28, 28), (1, 27, 28, 1), (1, 1)])
    )
    images = np.zeros(shape, dtype=int).tolist()
    place = images
    while isinstance(place[0], list):
        place = place[0]
    place[0] = draw(grey)
    name = draw(st.sampled_from(["inputs", "instances", "dataframe_split", "images"]))
    body: object = draw(st.one_of(st.just({name: images}), st.just({name: draw(values)}), values))
    content = json.dumps(body).encode()
    return draw(damaged(content)) if draw(st.booleans()) else content


def fuzz_study(examples: int, folder: Path) -> None:
    path = folder / "study.toml"

    @given(st.one_of(damaged(STUDY), changed_document(STUDY)))
    @many(examples)
    def check(made: bytes | dict[str, Any]) -> None:
        if isinstance(made, dict):
            refused_or_not(lambda: parse_study(made).cells())
        else:
            path.write_bytes(made)
            refused_or_not(lambda: read_study(path).cells())

    check()


def fuzz_policy(examples: int, folder: Path) -> None:
    path = folder / "promotion.toml"

    @given(damaged(POLICY, *(POLICY.replace(b"0.", bad) for bad in (b"-", b"9e999", b"nan #"))))
    @many(examples)
    def check(content: bytes) -> None:
        path.write_bytes(content)
        refused_or_not(lambda: read_policy(path))

    check()


def fuzz_idx(examples: int, folder: Path) -> None:
    @given(idx_file(), st.sampled_from([(28, 28), ()]), st.sampled_from([None, 1, 2, 60_000]))
    @many(examples)
    def check(content: bytes, item: tuple[int, ...], count: int | None) -> None:
        refused_or_not(lambda: parse_idx(BytesIO(content), folder / "idx", item=item, count=count))

    check()


def fuzz_pictures(examples: int, folder: Path) -> None:
    path = folder / "picture"

    @given(st.one_of(damaged(*PICTURES), png_file(), idx_file()))
    @many(examples)
    def check(content: bytes) -> None:
        path.write_bytes(content)
        refused_or_not(lambda: read_pictures(path))

    check()


header_value = st.one_of(
    st.integers(-1, 5),
    st.sampled_from([2**31, 2**63, 10**30, True]),
    st.sampled_from(["<f4", "|O"]),
)


@st.composite
def checkpoint_file(draw: st.DrawFn, whole: bytes) -> bytes:
    """A checkpoint that is damaged, or whose header lies; its SHA-256 is right for half of them."""
    if draw(st.booleans()):
        content = draw(damaged(whole[40:]))
    else:
        length = int.from_bytes(whole[40:48], "little")
        header = json.loads(whole[48 : 48 + length])
        for _ in range(draw(st.integers(1, 3))):
            table = draw(st.sampled_from([header, *header["arrays"]]))
            name = draw(st.sampled_from(sorted(table)))
            shapes = st.lists(header_value, max_size=4)
            table[name] = draw(st.one_of(values, header_value, shapes))
            if not isinstance(header["arrays"], list) or not all(
                isinstance(array, dict) and array for array in header["arrays"]
            ):
                break
        changed = json.dumps(header).encode()
        size = draw(st.sampled_from([len(changed), 0, 2**20 + 1, 2**63]))
        content = size.to_bytes(8, "little") + changed + whole[48 + length :]
    right = draw(st.booleans())
    digest = sha256(content).digest() if right else whole[8:40]
    return (whole[:8] if draw(st.integers(0, 9)) else b"FDCHECK2") + digest + content


def fuzz_checkpoint(examples: int, folder: Path) -> None:
    state = {"weights/0": np.zeros((3, 2), np.float32), "seed": np.arange(2, dtype=np.uint64)}
    kept = checkpoint.Checkpoint(7, state, {"configuration": {"dropout": 0.5}})
    path = checkpoint.write(folder, kept)
    whole = path.read_bytes()

    @given(checkpoint_file(whole))
    @many(examples)
    def check(content: bytes) -> None:
        path.write_bytes(content)
        refused_or_not(lambda: checkpoint.newest(folder))

    check()


def fuzz_served(examples: int, folder: Path) -> None:
    """MLflow's own reading of a request, the signature, and our check, without a network."""
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model, ModelSignature
    from mlflow.pyfunc import FLAVOR_NAME, PyFuncModel, scoring_server
    from mlflow.types.schema import Schema, TensorSpec

    from fashion_dropout.tracking.models import loader

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    warnings.simplefilter("ignore", RuntimeWarning)  # MLflow casts 1e300 to float32

    class Classifier:
        """Takes what the network takes."""

        def predict(self, images: Any, **_: object) -> Any:
            assert images.dtype == np.uint8
            assert images.shape[1:] == (28, 28, 1)
            assert len(images) % loader.BATCH_SIZE == 0
            return np.zeros((len(images), 10), np.float32)

    taken = TensorSpec(np.dtype(np.float32), (-1, 28, 28, 1))
    declared = ModelSignature(Schema([taken]))  # without TensorFlow, that of `tracking.models.save`
    described = Model(signature=declared, flavors={FLAVOR_NAME: {"loader_module": "none"}})
    model = PyFuncModel(model_meta=described, model_impl=loader.ServedClassifier(Classifier()))
    schema = described.get_input_schema()

    @given(st.one_of(request(), st.binary(max_size=50)))
    @many(examples)
    def check_request(body: bytes) -> None:
        try:
            answer = scoring_server.invocations(body, "application/json", model, schema)
        except MlflowException as error:
            assert 400 <= error.get_http_status_code() < 500
        else:
            assert answer.status == 200

    @given(arrays.arrays(np.float32, st.tuples(st.integers(0, 3), *map(st.just, (28, 28, 1)))))
    @many(examples)
    def check_values(images: Any) -> None:
        try:
            assert (loader.grey_values(images) == images).all()
        except MlflowException as error:
            assert error.get_http_status_code() == 400

    check_request()
    check_values()


TARGETS: Mapping[str, Callable[[int, Path], None]] = {
    "study parser": fuzz_study,
    "promotion parser": fuzz_policy,
    "IDX reader": fuzz_idx,
    "image reader": fuzz_pictures,
    "checkpoint reader": fuzz_checkpoint,
    "served model": fuzz_served,
}


def many(examples: int) -> Callable[[Any], Any]:
    """Settings for so many inputs."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def fuzz(target: str, examples: int) -> None:
    """Try so many inputs on one of `TARGETS`; an exception is a finding."""
    with TemporaryDirectory() as folder:
        TARGETS[target](examples, Path(folder))
