"""A user's own images: read in every form, refused by name, and never taken for Fashion-MNIST."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from fashion_dropout.errors import DataError, UsageError
from fashion_dropout.learning import archives
from fashion_dropout.learning.dataset import CLASSES, OwnImages, describe, open_dataset
from fashion_dropout.learning.split import split_of
from own import digits, write, write_npz

DIGITS = "bc2c9df500a1303cffdc00848c3d2703ccd9288af19175103d2b27fc5dc089f1"


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "own")


def refused(path, data_dir=None) -> str:
    """What is said of images that cannot be used."""
    with pytest.raises(UsageError) as error:
        open_dataset("idx", path, recorded=data_dir)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_form_gives_the_same_images_and_the_same_digest(tmp_path):
    """Runs on them are compared by the digest, however the files are packed."""
    forms = (
        write(tmp_path / "gzip"),
        write(tmp_path / "plain", packed=False),
        write(tmp_path / "dots", joint=".", packed=False),
        write_npz(tmp_path / "npz" / "digits.npz"),
        tmp_path / "npz",
    )
    for folder in ("gzip", "npz"):
        (tmp_path / folder / "._digits.npz").touch()  # as macOS leaves it on other file systems
    for path in forms:
        dataset = open_dataset("idx", path)
        assert dataset.sha256 == DIGITS
        assert dataset.training().images.shape == (1500, 28, 28, 1)
        np.testing.assert_array_equal(dataset.test().images[..., 0], digits()["t10k-images"])
        np.testing.assert_array_equal(dataset.test().labels, digits()["t10k-labels"])
        assert dataset.test().labels.dtype == np.uint8


def test_names_of_classes_are_the_users_and_part_of_the_digest(folder):
    assert open_dataset("idx", folder).classes[3] == "class 3"
    names = ["零", "one", *map(str, range(2, 10))]
    text = "\ufeff" + "\r\n".join(names) + "\r\n\r\n"  # as Windows writes it
    (folder / "classes.txt").write_bytes(text.encode())
    dataset = open_dataset("idx", folder)
    assert dataset.classes == tuple(names)
    assert dataset.sha256 != DIGITS
    lines = describe(dataset).splitlines()
    assert lines[0] == "idx: 1,500 training and 297 test images of 28×28"
    assert lines[2] == "    0  零                151     27"
    assert lines[3] == "    1  one               151     31"
    assert lines[-1] == f"dataset.sha256 {dataset.sha256}"


def test_fewer_classes_leave_the_rest_unused(tmp_path):
    arrays = {name: of[: len(of) // 2] for name, of in digits().items()}
    arrays |= {name: of % 3 for name, of in arrays.items() if "labels" in name}
    folder = write(tmp_path, arrays)
    (folder / "classes.txt").write_text("a\nb\nc\n", encoding="utf-8")
    dataset = open_dataset("idx", folder)
    assert dataset.classes == ("a", "b", "c", *(f"unused {label}" for label in range(3, 10)))


def test_one_of_twelve_images_is_for_validation_and_every_class_has_its_share(folder):
    dataset = open_dataset("idx", folder)
    training, validation = split_of(dataset, 0)
    assert (len(training), len(validation)) == (1375, 125)
    of_all, share = (np.bincount(of.labels) for of in (dataset.training(), validation))
    assert (abs(share - of_all / 12) < 1).all()


def test_they_cannot_be_taken_for_the_real_ones(folder):
    dataset = open_dataset("idx", folder)
    assert dataset.name == "idx"
    assert dataset.title == "own images bc2c9df500a1"
    assert set(dataset.classes).isdisjoint(CLASSES)
    assert dataset.sha256 != archives.dataset_sha256()
    with pytest.raises(DataError, match="or name images of your own with --dataset idx"):
        open_dataset("fashion-mnist", folder)


def test_a_digest_that_was_recorded_is_held(folder):
    assert open_dataset("idx", folder, recorded=DIGITS).sha256 == DIGITS
    assert f"expected the images with dataset.sha256 {'0' * 64}, received {DIGITS}" in refused(
        folder, "0" * 64
    )


def test_files_that_change_meanwhile_are_noticed(folder):
    dataset = OwnImages(folder)
    arrays = {name: array.copy() for name, array in digits().items()}
    arrays["t10k-images"][5, 14, 14] ^= 1
    write(folder, arrays)
    assert len(dataset.training()) == 1500
    with pytest.raises(DataError, match="the files have changed meanwhile"):
        dataset.test()


def changed(name, change):
    return lambda folder: write(folder, {name: change(digits()[name])})


def swapped(folder):
    images, labels = (folder / f"train-{of}-ubyte.gz" for of in ("images-idx3", "labels-idx1"))
    both = images.read_bytes(), labels.read_bytes()
    labels.write_bytes(both[0])
    images.write_bytes(both[1])


def few(folder):
    labels = digits()["train-labels"].copy()
    labels[np.flatnonzero(labels == 4)[11:]] = 5
    write(folder, {"train-labels": labels})


def names(*lines):
    return lambda folder: (folder / "classes.txt").write_bytes("\n".join(lines).encode())


def npz(**changes):
    def make(folder):
        shutil.rmtree(folder)
        write_npz(folder / "own.npz", **changes)

    return make


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (changed("train-images", lambda of: of[:, 2:26, 2:26]), "28×28, received 1,500 of 24×24"),
        (swapped, "expected IDX magic number 0x00000803 (images), received 0x00000801 (labels)"),
        (changed("t10k-labels", lambda of: of + 1), "at most 10 classes, received the label 10"),
        (few, "expected at least 12 training images of each class, of which one goes to valid"),
        (changed("t10k-labels", lambda of: of[1:]), "each of the 297 images, received 296"),
        (shutil.rmtree, "expected a folder, received: No such file or directory"),
        (lambda folder: [file.unlink() for file in folder.iterdir()], "received neither; give"),
        (lambda folder: (folder / "a.npz").touch(), "received both; give the folder with"),
        (lambda folder: (folder / "t10k-labels-idx1-ubyte.gz").unlink(), "received none"),
        (lambda folder: write(folder, packed=False), "train-images-idx3-ubyte.gz"),
        (lambda folder: (folder / "t10k-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b1"), "gzip"),
        (names(*map(str, range(11))), "expected 10 class names, one a line, received 11"),
        (names(*"abcdefghi"), "expected 10 class names, one a line, received 9"),
        (names(*"abcdefghia"), "expected each name once, received 'a' twice"),
        (names(*"abcdefghi", ""), "received 9"),
        (names(*"abc", "", *"efghij"), "visible characters without $"),
        (names(*"abcdefghi", "\x1b[2J"), "received '\\x1b[2J' in line 10"),
        (names(*"abcdefghi", "=1+1"), "received '=1+1' in line 10"),
        (lambda folder: (folder / "classes.txt").write_bytes(b"\xff\xfe"), "no UTF-8"),
        (npz(y_test=None), "expected the arrays x_test, y_test"),
        (npz(x_train=np.array([{}], dtype=object)), "received: expected numbers or text, received"),
        (npz(x_train=digits()["train-images"] / 255), "received float64 and shape (1500, 28, 28)"),
        (npz(y_train=np.full(1500, -1)), "received the label -1"),
        (npz(y_train=np.zeros((1500, 1), int)), "received int64 and shape (1500, 1)"),
    ],
)
def test_what_cannot_be_used_is_one_line(folder, spoil, said):
    spoil(folder)
    assert said in refused(folder)


def test_the_command_refuses_before_there_is_a_run(command, folder, tmp_path):
    write(folder, {"t10k-labels": digits()["t10k-labels"] + 1})
    study = tmp_path / "study.toml"
    study.write_text(
        'name = "study"\nquestion = "?"\nseeds = [0]\ndataset = "idx"\n[regimes.a]\n[regimes.b]\n'
        '[decision]\nprimary = "gap/loss"\ndirection = "lower"\nbaseline = "a"\n'
        "smallest_difference = 0.01\nalpha = 0.05\n",
        encoding="utf-8",
    )
    verbs = (("train", "--dataset", "idx"), ("compare", str(study)), ("data", "--dataset", "idx"))
    for verb in verbs:
        for given, said in (((), "expected --data-dir"), (("--data-dir", str(folder)), "label 10")):
            done = command(*verb, *given)
            assert done.returncode == 2
            (line,) = done.stderr.splitlines()
            assert said in line
    assert not (tmp_path / "mlflow.db").exists()
