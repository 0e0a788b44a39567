"""What people write for `augment`, and the one form of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_dropout.config.augmentation import AMOUNTS, amounts
from fashion_dropout.config.training import TrainingConfig, parse_parameter
from fashion_dropout.errors import UsageError

BEYOND = [
    f"{name}:{amount}"
    for name, of in AMOUNTS.items()
    for amount in (of.smallest / 2, of.largest * 1.01, "nan", "inf", "-1", "", "many")
]


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("none", "none"),
        (" none ", "none"),
        ("flip", "flip"),
        ("flip:0.5", "flip"),
        ("shift:2.0 + flip", "flip+shift"),
        ("mixup:0.4+shift:3", "shift:3+mixup:0.4"),
    ],
)
def test_there_is_one_form_of_what_was_asked(written, form):
    assert parse_parameter("augment", written) == form
    assert TrainingConfig(augment=form).augment == form


@given(st.dictionaries(st.sampled_from(list(AMOUNTS)), st.integers(1, 27)))
def test_the_form_says_all_that_was_written(wanted):
    possible = {name: number for name, number in wanted.items() if number <= AMOUNTS[name].largest}
    written = "+".join(f"{name}:{number}" for name, number in possible.items()) or "none"
    form = TrainingConfig(augment=written).augment
    assert amounts(form) == possible
    assert TrainingConfig(augment=form).augment == form


@pytest.mark.parametrize(
    "written", [*BEYOND, "", "cutmix", "flip+flip", "flip+", "none+flip", "shift:2.5", "flip shift"]
)
def test_what_is_unknown_doubled_or_impossible_is_refused_with_what_there_is(written):
    with pytest.raises(UsageError) as refused:
        parse_parameter("augment", written)
    assert "expected none, or names joined by +" in str(refused.value)
    assert "shift:2 (1 to 27 pixels)" in str(refused.value)
    assert f"received {written!r}" in str(refused.value)
