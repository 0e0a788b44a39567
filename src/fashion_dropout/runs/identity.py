"""What makes two runs the same run, and what makes their bits the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fashion_dropout.tracking.store import tags

_RELEASE = tags.version_of("fashion_dropout")
_FIRST_RELEASE = "0.1.0"


@dataclass(frozen=True)
class Identity:
    """What a run is.

    Attributes:
        place: Which experiment of which store, `tracking.recording.opening.Place.digest`.
        study: The study's key; empty without one.
        configuration: The parameters.
        conditions: What else decides the bits, by the names of tags: data, versions, kernels.
    """

    place: str
    study: str
    regime: str
    configuration: Mapping[str, Any]
    conditions: Mapping[str, str]

    @property
    def asked(self) -> str:
        """A digest of what was asked for, by whatever it is computed: 24 hexadecimal digits."""
        return _digest([self.place, self.study, self.regime, dict(self.configuration)])[:24]

    @property
    def bits(self) -> str:
        """SHA-256 of all that decides the bits of the run, hexadecimal."""
        return _digest([dict(self.configuration), self.deciding])

    @property
    def deciding(self) -> dict[str, str]:
        """The conditions, whatever the release: the digest of the training code says more than its
        number. That counts as the first one, whose digests stay valid.
        """
        return {
            name: _FIRST_RELEASE if name == _RELEASE else value
            for name, value in self.conditions.items()
        }


def _digest(values: list[Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
