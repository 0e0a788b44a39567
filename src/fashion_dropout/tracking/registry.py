"""The model registry: versions of one registered model, its aliases, and who moved them when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import mlflow
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.tracking.store import one_line

MODEL = "fashion-mnist-cnn"
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
_PROJECT = {"project": "fashion-mnist-dropout"}
_DESCRIPTION = """\
Classifiers of Fashion-MNIST from paired studies of dropout. `champion` is in use, `previous` was
before it, `challenger` is the last candidate that did not become champion. Aliases move by
`fashion-dropout promote` only; each version says from which study it comes and how it was decided.
"""
_LONGEST = 5_000  # characters that the registry keeps of a description or of a tag


@dataclass(frozen=True)
class Candidate:
    """What a version is registered with.

    Attributes:
        model_id: Of the logged model.
        run_id: Of the run that trained it.
        tags: Where it comes from.
    """

    model_id: str
    run_id: str
    tags: Mapping[str, str]


class Registry:
    """The versions and aliases of one registered model.

    Args:
        name: The registered model's.

    Raises:
        TrackingError: The registry does not answer, or the name belongs to another project.
    """

    def __init__(self, name: str = MODEL) -> None:
        self.name = name
        self._client = mlflow.MlflowClient()
        if (found := self._model()) and not _is_ours(found.tags):
            raise TrackingError(
                f"expected the registered model {name} to be this project's, received one without "
                f"the tag project={_PROJECT['project']}; give another with --model-name"
            )

    def aliases(self) -> dict[str, str]:
        """Alias → version; the registry's answer about a single version leaves aliases out."""
        found = self._model()
        return {alias: str(number) for alias, number in found.aliases.items()} if found else {}

    def version(self, alias: str) -> ModelVersion | None:
        """The version that an alias points to.

        Raises:
            TrackingError: It was registered by something else than this project.
        """
        number = self.aliases().get(alias)
        if number is None:
            return None
        with _explained(self.name):
            found = self._client.get_model_version(self.name, number)
        if "study" not in found.tags:
            raise TrackingError(
                f"expected the alias {alias} of {self.name} on a version of this project, received "
                f"version {number} without the tag study; move the alias, or give --model-name"
            )
        return found

    def version_of(self, run_id: str) -> str | None:
        """The version that was registered from a run; None if there is none."""
        with _explained(self.name):
            found = self._client.search_model_versions(f"name = '{self.name}'")
        numbers = [int(version.version) for version in found if version.run_id == run_id]
        return str(max(numbers)) if numbers else None

    def register(self, candidate: Candidate) -> str:
        """Register a version, or find the one that this run's model has already.

        Returns:
            Its number.
        """
        if number := self.version_of(candidate.run_id):
            return number
        with _explained(self.name):
            if not self._model():
                self._client.create_registered_model(self.name, _PROJECT, _DESCRIPTION)
            made = self._client.create_model_version(
                self.name,
                source=f"models:/{candidate.model_id}",
                run_id=candidate.run_id,
                model_id=candidate.model_id,
                tags={key: value[:_LONGEST] for key, value in candidate.tags.items()},
            )
        return str(made.version)

    def describe(self, number: str, description: str, tags: Mapping[str, str]) -> None:
        """Write a version's description, Markdown, and more tags."""
        with _explained(self.name):
            self._client.update_model_version(self.name, number, description[:_LONGEST])
            for key, value in tags.items():
                self._client.set_model_version_tag(self.name, number, key, value[:_LONGEST])

    def point(self, alias: str, number: str) -> None:
        """Let an alias point to a version; it points to the old one or the new one at any time."""
        with _explained(self.name):
            self._client.set_registered_model_alias(self.name, alias, number)

    def clear(self, alias: str) -> None:
        """Remove an alias."""
        with _explained(self.name):
            self._client.delete_registered_model_alias(self.name, alias)

    def _model(self) -> RegisteredModel | None:
        with _explained(self.name):
            found = self._client.search_registered_models(f"name = '{self.name}'")
            return self._client.get_registered_model(self.name) if found else None


def promotions(name: str) -> list[Run]:
    """Every decision about a registered model, the newest first."""
    return list(
        mlflow.search_runs(
            search_all_experiments=True,
            filter_string=f"tags.role = 'promotion' and tags.registered_model = '{name}'",
            order_by=["attributes.start_time DESC"],
            output_format="list",
        )
    )


def model_of(run: Run) -> str:
    """The id of the model that a training run has logged.

    Raises:
        UsageError: It has logged none.
    """
    outputs = run.outputs.model_outputs if run.outputs else []
    if not outputs:
        raise UsageError(
            f"expected a run with a logged model, received {run.info.run_id} without one; run the "
            "study again with --fresh"
        )
    return str(outputs[0].model_id)


def keep_with_model(model_id: str, folder: str) -> None:
    """Store all files of a folder at the root of a logged model."""
    mlflow.MlflowClient().log_model_artifacts(model_id, folder)


def _is_ours(tags: Mapping[str, str]) -> bool:
    return _PROJECT.items() <= dict(tags).items()


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise TrackingError(
            f"expected a model registry at {mlflow.get_registry_uri()} that lets {name} be read "
            f"and written, received: {one_line(error)}"
        ) from error
