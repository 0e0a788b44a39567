from __future__ import annotations

import os

import mlflow
import pytest

from fashion_dropout.errors import UsageError
from fashion_dropout.tracking.reading.queries import artifact
from fashion_dropout.tracking.recording.opening import experiment_id


@pytest.mark.parametrize("name", ["100%41 of it", "plain"])
def test_an_artifact_is_found_where_mlflow_has_put_it(store, workdir, name):
    """MLflow decodes the place of a file even where that is no URI."""
    place = workdir / name / "mlruns" / "1"
    client = mlflow.MlflowClient()
    run = client.create_run(client.create_experiment("mine", str(place)))
    client.log_text(run.info.run_id, "seen", "there.txt")
    uri = run.info.artifact_uri
    with artifact(uri, "there.txt") as found, artifact(uri, "missing.txt") as missing:
        assert found is not None
        assert (found.read_text(), missing) == ("seen", None)
    relative = os.path.relpath(found.parent)
    with artifact(relative, "there.txt") as found, artifact(relative, "missing.txt") as missing:
        assert found is not None
        assert (found.read_text(), missing) == ("seen", None)


def test_a_name_that_hides_something_is_refused_only_where_it_would_be_new(store):
    name = "a\u200db"  # a joiner that no terminal shows
    with pytest.raises(UsageError, match="characters that can be seen"):
        experiment_id(name)
    made = mlflow.MlflowClient().create_experiment(name)
    assert experiment_id(name) == made
