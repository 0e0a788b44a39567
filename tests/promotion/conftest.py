"""The trained studies that all tests of promotion share, and a copy of their store for each."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from conftest import made_once
from fashion_dropout.commands.console import StudyLines
from fashion_dropout.config.study import read_study
from fashion_dropout.studies.compare import compare_study
from promotion.recorded_studies import Studies, scheduler_here
from study_text import study_text


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory, worker_id: str, tensorflow: None) -> Studies:
    """Two finished studies in one store."""
    made = made_once(tmp_path_factory, worker_id, "studies", _run_studies)
    return Studies(made.folder, **json.loads(made.output))


def _run_studies(folder: Path) -> str:
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        with scheduler_here() as there:
            for name, epochs, undecided in (("weak", 1, "dropout"), ("strong", 3, "simpler")):
                base = {"epochs": epochs, "learning_rate": 0.004}
                text = study_text(name, (0, 1), base, undecided=undecided)
                (folder / f"{name}.toml").write_text(text)
                study = read_study(folder / f"{name}.toml")
                outcome = compare_study(study, StudyLines(), scheduler=there)
                assert outcome.missing == {}
                found[name] = outcome.run_id
        mlflow.set_tracking_uri("")
    return json.dumps(found)


@pytest.fixture
def client(studies: Studies, workdir: Path) -> Iterator[mlflow.MlflowClient]:
    """The client of a copy of the store; the artifacts are those of the studies themselves."""
    shutil.copy(studies.folder / "mlflow.db", workdir / "mlflow.db")
    (workdir / "mlruns").symlink_to(studies.folder / "mlruns")
    mlflow.set_tracking_uri(f"sqlite:///{workdir / 'mlflow.db'}")
    yield mlflow.MlflowClient()
    mlflow.end_run()
    mlflow.set_tracking_uri("")
