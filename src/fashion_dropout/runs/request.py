"""What a run is asked to be, and what is there for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_dropout import provenance
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.learning.dataset import Dataset
from fashion_dropout.learning.kernels import Kernels
from fashion_dropout.learning.split import Split
from fashion_dropout.runs.description import conditions, run_name
from fashion_dropout.runs.identity import Identity
from fashion_dropout.tracking.store import tags

if TYPE_CHECKING:
    from fashion_dropout.tracking.recording.claims import Claim
    from fashion_dropout.tracking.recording.opening import Place


@dataclass(frozen=True)
class RunRequest:
    """One training run, as a command or a study asks for it.

    Attributes:
        study_tags: More tags of the run, those of its study.
        experiment: The MLflow experiment; None for MLflow's own variables, else the project's.
        fresh: Train it from the first epoch, whatever was interrupted or has finished.
        resume: The id of the interrupted run that must be the one to go on; None for any.
        folder: Where interrupted runs are kept; None for the user's state folder.
    """

    config: TrainingConfig
    regime: str
    study_tags: Mapping[str, str] = field(default_factory=dict)
    experiment: str | None = None
    fresh: bool = False
    resume: str | None = None
    folder: Path | None = None

    @property
    def name(self) -> str:
        """What the run is called."""
        return run_name(self.config, self.regime, self.study_tags.get(tags.CELL))

    @property
    def session(self) -> str:
        """The tag ``study.session``; empty outside of a study."""
        return self.study_tags.get(tags.SESSION, "")


@dataclass(frozen=True)
class Surroundings:
    """What is there for a run: an open dataset, its training images, split, and where the run will
    be recorded.
    """

    dataset: Dataset
    split: Split
    place: Place

    def identity(self, request: RunRequest, kernels: Kernels) -> Identity:
        """What the run is here, computed with these kernels."""
        return Identity(
            place=self.place.digest,
            study=request.study_tags.get(tags.STUDY, ""),
            regime=request.regime,
            configuration=request.config.model_dump(),
            conditions=conditions(self.dataset.sha256, self.split.sha256, kernels),
        )

    def claim(self, request: RunRequest) -> Claim | None:
        """The cell of a study that a run is of, for all who want it; None outside of a study, and
        for one that runs anew what others have run.
        """
        from fashion_dropout.tracking.recording.claims import Claim

        study = request.study_tags.get(tags.STUDY, "")
        if not study or request.fresh:
            return None
        return Claim(
            experiment_id=self.place.experiment_id,
            study=study,
            regime=request.regime,
            seed=str(request.config.seed),
            code=provenance.training_code_sha256(),
            dataset=self.dataset.sha256,
            session=request.session,
            cell=request.study_tags.get(tags.CELL, ""),
        )
