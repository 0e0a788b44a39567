from __future__ import annotations

import os
import time
from types import SimpleNamespace

import psutil
import pytest
from distributed import Client, LocalCluster

from fashion_dropout.config.cell import Cell
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.studies import cluster
from fashion_dropout.studies.cell import CellResult, Session
from fashion_dropout.studies.cluster import begin_no_more, local_cluster, run_cells
from fashion_dropout.studies.fitness import Needs

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


def slowly(cell: Cell, session: Session, topic: str) -> CellResult:
    time.sleep(3)  # on a slow machine, too, the second one runs when the others are let go
    return CellResult(cell, run_id="finished")


def test_of_two_on_one_cluster_the_ctrl_c_of_one_gives_the_waiting_cells_to_the_other(monkeypatch):
    monkeypatch.setattr(cluster, "run_cell", slowly)
    needs = Needs((("training code", "0"),), TrainingConfig(), "", None, "", "0", "", None)
    session = Session("s", "", "e", None, "", "", {}, fresh=False, needs=needs)
    cells = [Cell("shared-0", "none", TrainingConfig(seed=seed)) for seed in range(4)]
    display = SimpleNamespace(note=lambda line: None)
    with (
        LocalCluster(1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0")
        as local,
        Client(local, set_as_default=False) as mine,
        Client(local, set_as_default=False) as theirs,
    ):  # fmt: skip
        results = run_cells(mine, cells, session, display)
        found = [next(results)]
        begin_no_more(theirs, cells, session)
        found += results
        until = time.monotonic() + 10
        while mine.futures:  # Dask lets go of them beside this thread
            assert time.monotonic() < until
            time.sleep(0.05)
        again = list(run_cells(mine, [one.cell for one in found if one.held], session, display))
    assert {one.cell.name for one in found} == {cell.name for cell in cells}
    assert len(again) == 2  # one waited in the scheduler, and one had been given to the worker
    assert [one.held for one in again] == [""] * len(again)


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
