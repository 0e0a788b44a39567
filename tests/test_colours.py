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
