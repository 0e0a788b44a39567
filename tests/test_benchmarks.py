"""What benchmarks leave alone: the stores of whoever runs them."""

from __future__ import annotations

import runpy
import subprocess
from typing import Any

from conftest import ROOT


def test_the_fixed_cost_is_that_of_a_new_store(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    seen: dict[str, Any] = {}
    monkeypatch.setattr(subprocess, "run", lambda *_, **given: seen.update(given))
    runpy.run_path(str(ROOT / "benchmarks/fixed_cost.py"))["seconds"]()
    assert not [name for name in seen["env"] if name.startswith("MLFLOW_")]
    assert seen["env"]["FASHION_DROPOUT_STATE"].startswith(str(seen["cwd"]))
