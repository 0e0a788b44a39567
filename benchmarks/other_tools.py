"""What other tools conclude from the pairs of the published study, and how often one of them errs.

They bring other versions of NumPy and pandas, so they need an environment of their own:

    uv run --no-project --with dabest==2025.10.20 --with autorank==1.3.0 --with baycomp==1.0.3 \
        python benchmarks/other_tools.py
"""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from pathlib import Path

import autorank
import baycomp
import dabest
import numpy as np
import pandas as pd
from scipy import stats

METRIC, SMALLEST, STUDIES = "val/loss_at_equal_fit", 0.01, 3_000
RESULT = Path(__file__).parents[1] / "experiments/dropout/second-edition/result.json"


def main() -> None:
    """Print each tool's view of the pairs, then the errors of autorank in A/A studies."""
    warnings.simplefilter("ignore")
    published = json.loads(RESULT.read_text(encoding="utf-8"))["differences"]
    by_seed = next(one["by_seed"] for one in published if one["metric"] == METRIC)
    differences = np.array(list(by_seed.values()))
    pairs, mean, error = len(differences), differences.mean(), stats.sem(differences)
    signs = 1 - 2 * (np.arange(2**pairs)[:, None] >> np.arange(pairs) & 1)
    exact = np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12)
    low, high = stats.t.interval(0.95, pairs - 1, mean, error)
    print(f"ours: mean {mean:.4f}, t interval [{low:.4f}, {high:.4f}], exact p {exact:.4f}")
    chances = [stats.t.cdf((-mean - more) / error, pairs - 1) for more in (0, SMALLEST)]
    print(f"ours: chance better {chances[0]:.3f}, by more than {SMALLEST:g} {chances[1]:.3f}")

    none = np.zeros(pairs)
    table = pd.DataFrame({"id": range(pairs), "none": none, "dropout": differences})
    with contextlib.redirect_stderr(io.StringIO()):
        loaded = dabest.load(table, idx=("none", "dropout"), paired="baseline", id_col="id")
        (found,) = loaded.mean_diff.results.to_dict("records")
    print(
        f"DABEST: mean {found['difference']:.4f}, BCa [{found['bca_low']:.4f}, "
        f"{found['bca_high']:.4f}], permutation p {found['pvalue_permutation']:.4f}, "
        f"t test p {found['pvalue_paired_students_t']:.4f}"
    )
    print(f"autorank: {decided(table[['none', 'dropout']])}")
    for rope in (0, SMALLEST):
        shares = baycomp.two_on_single(differences, none, rope=rope)
        print(f"baycomp: rope {rope:g}, {', '.join(f'{share:.3f}' for share in shares)}")

    rng = np.random.default_rng(0)
    studies = (pd.DataFrame(rng.normal(size=(10, 2)), columns=["a", "b"]) for _ in range(STUDIES))
    wrong = np.mean([decided(study, "nonparametric")[1] <= 0.05 for study in studies])
    print(f"autorank without normality: {wrong:.3f} of {STUDIES:,} A/A studies of 10 pairs wrong")


def decided(table: pd.DataFrame, force: str | None = None) -> tuple[str, float]:
    """The test that autorank chooses for two columns, and its p-value."""
    with contextlib.redirect_stdout(io.StringIO()):
        found = autorank.autorank(table, alpha=0.05, verbose=False, force_mode=force)
    return str(found.omnibus), float(found.pvalue)


if __name__ == "__main__":
    main()
