from __future__ import annotations

import os

from fashion_dropout.studies.cluster import local_cluster


def test_workers_use_one_core_and_glibcs_own_rules_for_memory():
    """Dask's MALLOC_TRIM_THRESHOLD_ costs 40 % of the speed where oneDNN is off."""
    with local_cluster(1) as client:
        (environment,) = client.run(lambda: dict(os.environ)).values()
    assert not {name for name in environment if name.startswith("MALLOC_")}
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["TF_NUM_INTEROP_THREADS"] == "1"
