"""The colour of each regime, the same in the report's figures and in MLflow's UI."""

from __future__ import annotations

import re
from collections.abc import Sequence

_BASELINE, _OTHER = "#e08214", "#00416a"
"""A light and a dark colour: distinct to colour-blind readers and in grey print."""

# Of regimes without an order; after the first two colours of Okabe and Ito, a brown and two greys.
_KINDS = (_BASELINE, _OTHER, "#009e73", "#cc79a7", "#56b4e9", "#8c510a", "#4d4d4d", "#a6a6a6")

# Of dropout rates that are not compared in one study, from light to dark; 0.5 has `_OTHER`.
_RATES = {0.0: "#9ecae1", 0.5: _OTHER, 1.0: "#14001e"}


def of_regimes(regimes: Sequence[str]) -> dict[str, str]:
    """A colour ``#rrggbb`` for each regime; the first is the baseline.

    More than two whose names end with a number are taken for an order, as of dropout rates, and go
    from dark to light; so are more than there are colours for kinds.
    """
    ordered = len(regimes) > 2 and all(re.search(r"\d$", regime) for regime in regimes[1:])
    if not ordered and len(regimes) <= len(_KINDS):
        return dict(zip(regimes, _KINDS, strict=False))
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    scale = colormaps["cividis"]
    steps = len(regimes) - 1
    return {regime: to_hex(scale(0.85 * at / steps)) for at, regime in enumerate(regimes)}


def of_rate(dropout: float) -> str:
    """The colour ``#rrggbb`` of a single run: that of the baseline without dropout, else by the
    rate, which is below 1.
    """
    if dropout == 0:
        return _BASELINE
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    return to_hex(LinearSegmentedColormap.from_list("rates", list(_RATES.items()), N=1001)(dropout))
