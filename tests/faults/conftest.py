from __future__ import annotations

import pytest

from conftest import FinishedRun
from faults.interrupting import Recorded, only_run, recorded


@pytest.fixture(scope="session")
def uninterrupted(finished_run: FinishedRun) -> Recorded:
    """What a training leaves that nobody has disturbed."""
    return recorded(only_run(finished_run.folder))
