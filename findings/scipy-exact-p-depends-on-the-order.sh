#!/usr/bin/env bash
# Guess:     an exact permutation test gives one p for a set of paired differences, in whatever order
#            they stand. SciPy compares with a tolerance, so that equal sums stay ties.
# Behaviour: the tolerance is relative to the observed mean. Where large differences cancel and the mean
#            is small, rounding is larger than the tolerance: permutation_test(..., permutation_type=
#            "samples") with all sign patterns gives the same nine differences p = 1, which is right, or
#            p = 0.9375, by their order alone. Whole numbers, whose sums are exact, always give 1.
# Version:   scipy 1.17.1, numpy 2.4.6.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --quiet install scipy==1.17.1 numpy==2.4.6
cat > see.py <<'PYTHON'
import numpy as np
from scipy.stats import permutation_test


def p(values):
    found = permutation_test(
        (values,),
        lambda sample, axis: sample.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=2 ** len(values),
    )
    return float(found.pvalue)


differences = np.array([0, 0, 0, 0, -28, -100, 23, 105, 16.748047 - 17])
whole = np.array([0, 0, 0, 0, -28, -100, 23, 105, 1])
found = {
    "as they are": p(differences),
    "sorted": p(np.sort(differences)),
    "whole numbers, as they are": p(whole),
    "whole numbers, sorted": p(np.sort(whole)),
}
for name, value in found.items():
    print(f"{name}: p = {value:g}")
assert list(found.values()) == [1, 0.9375, 1, 1], "this has changed"
PYTHON
venv/bin/python see.py
