"""The parameters of a training run: validated, frozen, and the one place with their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fashion_dropout.config.augmentation import EXPECTED, Augment
from fashion_dropout.config.regularizers import REGULARIZERS, is_on, regularizers
from fashion_dropout.config.toml import first_of
from fashion_dropout.config.values import Number, Whole, unquoted
from fashion_dropout.config.vary import EXPECTED_SOURCES, FIXED_SEED, USUAL, Source, Vary
from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import brief


def _parameter(default: Any, description: str, expected: str, **limits: Any) -> Any:
    """A field whose error message can say what was expected."""
    return Field(
        default, description=description, json_schema_extra={"expected": expected}, **limits
    )


_FIRST = ("dropout", "epochs", "batch_size", "learning_rate", "select", "dataset", "split_seed",
          "threads")  # fmt: skip


class TrainingConfig(BaseModel):
    """All that decides the numbers of one run. Two runs with equal configurations, on the same
    machine, give the same bits; see docs/reproducibility.md.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dropout: Number = _parameter(
        0.5,
        "Dropout rate: the probability that training sets one of the 128 activations to 0.",
        "a number from 0 up to, but not including, 1",
        ge=0.0,
        lt=1.0,
    )
    seed: Whole = _parameter(
        0,
        "Seed of the run: initial weights, order of batches and dropout masks derive from it.",
        "a whole number from 0 to 4294967295",
        ge=0,
        le=2**32 - 1,
    )
    epochs: Whole = _parameter(
        20, "Passes over the training split.", "a whole number from 1 to 1000000", ge=1, le=10**6
    )
    batch_size: Whole = _parameter(
        64, "Images in one gradient step.", "a whole number from 1 to 60000", ge=1, le=60_000
    )
    learning_rate: Number = _parameter(
        0.001, "Adam's learning rate.", "a finite number greater than 0", gt=0.0
    )
    select: Literal["best", "last"] = _parameter(
        "best",
        "Which epoch's model is stored and tested: lowest validation loss, or the last.",
        "best or last",
    )
    dataset: Literal["fashion-mnist", "synthetic", "idx"] = _parameter(
        "fashion-mnist",
        "fashion-mnist; small generated images for trying things out; or your own, in --data-dir.",
        "fashion-mnist, synthetic or idx",
    )
    split_seed: Whole = _parameter(
        0,
        "Seed of the stratified train/validation split, unless the split varies with the seed.",
        "a whole number from 0 to 4294967295",
        ge=0,
        le=2**32 - 1,
    )
    threads: Whole = _parameter(
        1,
        "TensorFlow's threads for one operation; another number changes the last digits.",
        "a whole number from 1 to 1024",
        ge=1,
        le=1024,
    )

    kernels: Literal["native", "portable", "fast"] = _parameter(
        "native",
        "native: float32, the CPU's fastest; portable: AVX2 only, for the same bits on other CPUs; "
        "fast: bfloat16 inside float32, with AMX only.",
        "native, portable or fast",
    )
    device: Literal["auto", "cpu", "gpu"] = _parameter(
        "auto",
        "What to compute on; auto: a GPU where TensorFlow finds one.",
        "auto, cpu or gpu",
    )

    label_smoothing: Number = _parameter(
        0.0,
        "Share of each label's probability that is spread over all ten classes in training.",
        "a number from 0 up to, but not including, 1",
        ge=0.0,
        lt=1.0,
    )
    weight_decay: Number = _parameter(
        0.0,
        "Decoupled weight decay (AdamW): each step shrinks the kernels, but not the biases, by "
        "this fraction times the learning rate.",
        "a finite number of at least 0",
        ge=0.0,
    )
    schedule: Literal["constant", "cosine", "one-cycle"] = _parameter(
        "constant",
        "The learning rate over the run: constant; cosine, down to 0; one-cycle, up and down.",
        "constant, cosine or one-cycle",
    )
    warmup_epochs: Whole = _parameter(
        0,
        "Epochs over which the learning rate rises to its full value; one-cycle: 0 means three "
        "tenths of the run.",
        "a whole number from 0 to 1000000, at most the epochs",
        ge=0,
        le=10**6,
    )
    augment: Augment = _parameter(
        "none",
        "Random changes to each training image, drawn again in every epoch.",
        EXPECTED,
    )
    average: Literal["none", "ema"] = _parameter(
        "none",
        "Which weights are evaluated and stored: those of the last step, or an exponential moving "
        "average of all.",
        "none or ema",
    )
    patience: Whole = _parameter(
        0,
        "Stop after this many epochs in a row without a new lowest validation loss; 0: never.",
        "a whole number from 0 to 1000000; above 0 with select best only",
        ge=0,
        le=10**6,
    )
    vary: Vary = _parameter(
        USUAL,
        "What the seed decides; all else is the same for every seed: the split by split_seed, the "
        "others by seed 0. If the split varies, the seed of the run is that of its split.",
        EXPECTED_SOURCES,
    )

    @property
    def regime(self) -> str:
        """The regime that a single run belongs to, such as ``none`` or ``dropout-and-ema``."""
        return "-and-".join(regularizers(self.model_dump())) or "none"

    @property
    def regularization(self) -> str:
        """What keeps the run from overfitting, for a person: ``dropout 0.5, weight decay 0.01``."""
        given = self.model_dump()
        others = (name for name in REGULARIZERS if name != "dropout" and is_on(given[name]))
        rest = (f", {name.replace('_', ' ')} {given[name]}" for name in others)
        return f"dropout {self.dropout:g}{''.join(rest)}"

    def seed_of(self, source: Source) -> int:
        """The seed from which a source of randomness draws: whatever draws in a run asks here.

        It is that of the run for the sources that vary, and the same in every run for the others.
        """
        if source in self.vary.split("+"):
            return self.seed
        return self.split_seed if source == "split" else FIXED_SEED

    def essential(self, *without: str) -> dict[str, Any]:
        """The parameters without the seed and the named ones, and without those at their default
        that are younger than the first studies: a study keeps the key that it was recorded under.
        """
        chosen = {*_FIRST, *self.model_dump(exclude_defaults=True)}
        return self.model_dump(include=chosen - {"seed", *without})

    def check(self) -> None:
        """Check what two parameters say together.

        Raises:
            UsageError: They contradict each other.
        """
        if self.warmup_epochs > self.epochs:
            raise UsageError(
                f"warmup_epochs: expected at most the {self.epochs} of epochs, received "
                f"{self.warmup_epochs}"
            )
        if self.patience and self.select != "best":
            raise UsageError(
                f"patience: expected select best, received select {self.select}; a run "
                "that stops stores its best epoch"
            )
        if self.split_seed and "split" in self.vary:
            raise UsageError(
                f"split_seed: expected none where the split varies with the seed, received "
                f"{self.split_seed}"
            )


def recorded_config(params: Mapping[str, str]) -> TrainingConfig:
    """The configuration of a recorded run.

    Args:
        params: All its parameters as MLflow holds them; those of other kinds are ignored.

    Raises:
        UsageError: One of them is none that this version takes.
    """
    fields = TrainingConfig.model_fields
    known = {name: unquoted(text) for name, text in params.items() if name in fields}
    try:
        return TrainingConfig.model_validate(known)
    except ValidationError as error:
        raise UsageError(f"expected the recorded parameters of a run, {first_of(error)}") from error


def expected(name: str) -> str:
    """What the parameter `name` must be, in words."""
    extra = TrainingConfig.model_fields[name].json_schema_extra
    assert isinstance(extra, dict)
    return str(extra["expected"])


def parse_parameter(name: str, text: str) -> Any:
    """One parameter's value from what a user wrote.

    Args:
        name: A field of `TrainingConfig`.
        text: What was written, e.g. ``"0.50"``.

    Returns:
        The value in the field's type.

    Raises:
        UsageError: The text is no such value; says what was expected and received.
    """
    try:
        return getattr(TrainingConfig.model_validate({name: text}), name)
    except ValidationError as error:
        hint = error.errors()[0].get("ctx", {}).get("hint", "")
        raise UsageError(f"expected {expected(name)}, received {brief(text)}{hint}") from error
