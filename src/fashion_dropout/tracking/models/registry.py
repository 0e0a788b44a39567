"""The model registry: versions and aliases of a registered model, and the decisions about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256

import mlflow
from filelock import FileLock, Timeout
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.escapes import brief
from fashion_dropout.state import state_folder
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.calls import asks_mlflow
from fashion_dropout.tracking.store.connect import store_name
from fashion_dropout.tracking.store.search import find_runs, having
from fashion_dropout.tracking.store.secrets import without_password
from fashion_dropout.tracking.store.timeouts import FILES_SECONDS

MODEL = "fashion-mnist-cnn"
"""The registered model of this project."""

MODEL_OF = {"fashion-mnist": MODEL, "synthetic": f"{MODEL}-synthetic", "idx": "idx-cnn"}
"""Dataset → the registered model that its classifiers become, unless a user names another."""

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"

_PROJECT = {tags.PROJECT: "fashion-mnist-dropout"}
_DESCRIPTION = """\
Classifiers of {images} from paired studies of dropout. `champion` is in use, `previous` was
before it, `challenger` is the last candidate that did not become champion. Only `fashion-dropout
promote` and `rollback` move them; each version says which study it comes from and how the gate
decided.
"""
_IMAGES = {
    "fashion-mnist": "Fashion-MNIST",
    "synthetic": "generated images, not of Fashion-MNIST,",
    "idx": "a user's own images, not of Fashion-MNIST,",
}
_TURN_SECONDS = 300
_LONGEST = 5_000  # characters that the registry keeps of a description or of a tag


def _registry(models: Registry, *_: object) -> str:
    uri = without_password(mlflow.get_registry_uri())
    return f"a model registry at {uri} that lets {models.name} be read and written"


class Registry:
    """The versions and aliases of one registered model, which need not exist yet.

    Raises:
        UsageError: MLflow takes no such name.
        TrackingError: The registry does not answer, or the name belongs to another project.
    """

    def __init__(self, name: str) -> None:
        if not name.strip() or set("/:") & set(name):
            raise UsageError(
                "expected as name of a registered model a text without / and :, received "
                f"{brief(name)}; give another with --model-name"
            )
        self.name = name
        self._client = mlflow.MlflowClient()
        if (found := self._model()) and not _PROJECT.items() <= found.tags.items():
            raise TrackingError(
                f"expected the registered model {name} to be this project's, received one without "
                f"the tag {tags.PROJECT}={_PROJECT[tags.PROJECT]}; give another with --model-name"
            )

    @asks_mlflow(expected=_registry)
    def aliases(self) -> dict[str, str]:
        """Alias → version number.

        They are read from the registered model, because MLflow leaves them out of a version.
        """
        found = self._model()
        return {alias: str(number) for alias, number in found.aliases.items()} if found else {}

    @asks_mlflow(expected=_registry)
    def version(self, alias: str) -> ModelVersion | None:
        """The version that an alias points to; None if there is no such alias.

        Raises:
            TrackingError: The version was not registered by this project.
        """
        number = self.aliases().get(alias)
        if number is None:
            return None
        found = self._client.get_model_version(self.name, number)
        if tags.STUDY not in found.tags:
            raise TrackingError(
                f"expected the alias {alias} of {self.name} on a version of this project, received "
                f"version {number} without the tag {tags.STUDY}; move the alias, or give "
                "--model-name"
            )
        return found

    @asks_mlflow(expected=_registry)
    def version_of(self, run_id: str) -> str | None:
        """The number of the version that was registered from a run; None if there is none."""
        found = self._client.search_model_versions(f"name = '{self.name}'")
        numbers = [int(version.version) for version in found if version.run_id == run_id]
        return str(max(numbers)) if numbers else None

    @asks_mlflow(expected=_registry)
    def register(self, run_id: str, model_id: str, version_tags: Mapping[str, str]) -> str:
        """Register the model of a run as a version, unless it is one already; returns its number.

        The tags of the version say where the model comes from, its dataset among them. If another
        study has registered the run before, they are renewed.
        """
        short = {key: value[:_LONGEST] for key, value in version_tags.items()}
        if number := self.version_of(run_id):
            known = self._client.get_model_version(self.name, number).tags
            for key, value in short.items():
                if known.get(key) != value:
                    self._client.set_model_version_tag(self.name, number, key, value)
            return number
        if not self._model():
            about = _DESCRIPTION.format(images=_IMAGES[version_tags[tags.DATASET]])
            self._client.create_registered_model(self.name, _PROJECT, about)
        made = self._client.create_model_version(
            self.name,
            source=f"models:/{model_id}",
            run_id=run_id,
            model_id=model_id,
            tags=short,
        )
        return str(made.version)

    @asks_mlflow(expected=_registry)
    def describe(self, number: str, description: str, more_tags: Mapping[str, str]) -> None:
        """Set the description of a version, in Markdown, and add tags to it."""
        self._client.update_model_version(self.name, number, _whole_lines(description))
        for key, value in more_tags.items():
            self._client.set_model_version_tag(self.name, number, key, value[:_LONGEST])

    @asks_mlflow(expected=_registry)
    def set_alias(self, alias: str, number: str) -> None:
        """Let an alias point to a version.

        At every moment the alias points to either the old version or the new one.
        """
        self._client.set_registered_model_alias(self.name, alias, number)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """While this is open, no other process of this user on this machine changes the model.

        Raises:
            TrackingError: Another one has been doing so for minutes.
        """
        own = sha256(f"{store_name(mlflow.get_registry_uri())} {self.name}".encode()).hexdigest()
        folder = state_folder() / "locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / f"registry-{own[:16]}", timeout=_TURN_SECONDS):
                yield
        except Timeout as error:
            raise TrackingError(
                f"expected to be the only one who changes {self.name}, received another process "
                f"that has done so for {_TURN_SECONDS} s; wait for it, or stop it"
            ) from error

    @asks_mlflow(expected=_registry)
    def delete_alias(self, alias: str) -> None:
        """Remove an alias; no error if there is none."""
        self._client.delete_registered_model_alias(self.name, alias)

    @asks_mlflow(expected=_registry)
    def _model(self) -> RegisteredModel | None:
        found = self._client.search_registered_models(f"name = '{self.name}'")
        return self._client.get_registered_model(self.name) if found else None


def aliases_text(aliases: Mapping[str, str]) -> str:
    """Aliases and their versions in one line, for a person."""
    named = (f"{alias} = version {number}" for alias, number in sorted(aliases.items()))
    return ", ".join(named) or "no alias"


@asks_mlflow()
def decisions(name: str) -> list[Run]:
    """The runs of all promotions and rollbacks of a registered model, the newest first."""
    wanted = {tags.ROLE: tags.PROMOTION, tags.REGISTERED_MODEL: name}
    return find_runs(having(wanted), newest_first=True)


def model_of(run: Run) -> str:
    """The id of the model that a training run has logged.

    Raises:
        UsageError: The run has logged no model.
    """
    outputs = run.outputs.model_outputs if run.outputs else []
    if not outputs:
        raise UsageError(
            f"expected a run with a logged model, received {run.info.run_id} without one; run the "
            "study again with --fresh"
        )
    return str(outputs[0].model_id)


@asks_mlflow(seconds=FILES_SECONDS)
def keep_with_model(model_id: str, folder: str) -> None:
    """Store all files of a folder at the root of a logged model."""
    mlflow.MlflowClient().log_model_artifacts(model_id, folder)


def _whole_lines(text: str) -> str:
    """As many lines of a text as the registry keeps."""
    return text if len(text) < _LONGEST else text[: _LONGEST - 2].rpartition("\n")[0] + "\n…"
