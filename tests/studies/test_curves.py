"""The learning curves of many runs behind a server."""

from __future__ import annotations

import threading

import pandas as pd

from fashion_dropout.studies import curves

TABLE = b"epoch,train/loss,val/loss,train/accuracy,val/accuracy\n1,0.5,%s,0.5,0.5\n"


def test_files_of_several_runs_are_fetched_at_once_and_keep_their_order(monkeypatch):
    both = threading.Barrier(2)

    def fetched(uri: str) -> bytes:
        both.wait(10)
        return TABLE % (b"0.25" if uri.endswith("first") else b"0.75")

    monkeypatch.setattr(curves, "_file", fetched)
    runs = pd.DataFrame(
        {
            "run_id": ["1", "2"],
            "artifact_uri": ["mlflow-artifacts:/first", "mlflow-artifacts:/second"],
            "regime": ["none", "dropout"],
            "seed": [0, 0],
            "last_epoch": ["1", "1"],
        }
    )
    assert curves.read_curves(runs)["val/loss"].tolist() == [0.25, 0.75]
