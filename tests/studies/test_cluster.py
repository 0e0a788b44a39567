from __future__ import annotations

import os

import psutil
import pytest

from fashion_dropout.studies.cluster import local_cluster

pytestmark = pytest.mark.slow  # processes of Dask


def test_workers_use_one_core_and_glibcs_own_rules_for_memory():
    """Dask's MALLOC_TRIM_THRESHOLD_ costs 40 % of the speed where oneDNN is off."""
    before = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    before.pop("__DASK_PARENT_PID", None)
    with local_cluster(1) as client:
        (environment,) = client.run(lambda: dict(os.environ)).values()
    own = {"PYTHONHASHSEED", "__DASK_PARENT_PID"}  # Dask's, for the processes that it starts
    assert {name: os.environ[name] for name in os.environ.keys() - own} == before
    assert not {name for name in environment if name.startswith("MALLOC_")}
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["TF_NUM_INTEROP_THREADS"] == "1"


def test_the_cluster_of_this_machine_listens_to_this_machine_only():
    with local_cluster(1):
        own = psutil.Process()
        ports = {
            connection.laddr
            for process in (own, *own.children(recursive=True))
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
    assert ports
    assert {address.ip for address in ports} == {"127.0.0.1"}
