"""One colour a regime, in figures and in MLflow."""

from __future__ import annotations

import re

from fashion_dropout import colours


def test_the_two_regimes_of_a_study_have_the_colours_of_its_single_runs():
    pair = colours.of_regimes(["none", "dropout"])
    assert pair == {"none": colours.of_rate(0.0), "dropout": colours.of_rate(0.5)}


def test_every_dropout_rate_has_a_colour_of_its_own():
    found = [colours.of_rate(rate / 10) for rate in range(10)]
    assert len(set(found)) == 10
    assert all(re.fullmatch("#[0-9a-f]{6}", colour, re.IGNORECASE) for colour in found)


def test_regimes_without_an_order_are_not_shaded_like_one():
    kinds = ["plain", "dropout", "decay", "smoothing", "flip-and-shift", "patience"]
    found = colours.of_regimes(kinds)
    pair = colours.of_regimes(kinds[:2])
    assert {regime: found[regime] for regime in pair} == pair
    assert len(set(found.values())) == len(kinds)
    rates = ["none", "dropout-0.2", "dropout-0.4", "dropout-0.6"]
    red = [int(colour[1:3], 16) for colour in colours.of_regimes(rates).values()]
    assert red == sorted(red)
    assert len(set(colours.of_regimes([f"kind-{of}" for of in "abcdefghijkl"]).values())) == 12
