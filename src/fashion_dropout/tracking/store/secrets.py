"""Passwords in the addresses of stores: in no message, log, tag, argument list or file."""

from __future__ import annotations

import os
import re

_LOGIN = re.compile(r"(?<=://)[^\s/@]*:\S+@|(?<=://)[^\s/@]+@")
_PASSWORD = re.compile(r"(://[^\s/:@]*:)\S+(@)")
_IN_QUERY = re.compile(r"([?&]\w*passw(?:or)?d=)[^\s&'\"]+", re.IGNORECASE)
_VARIABLES = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


def without_password(text: str) -> str:
    """A text, e.g. the URI of a store or an error of MLflow, as it may be shown."""
    text = _IN_QUERY.sub(r"\1***", _PASSWORD.sub(r"\1***\2", text))
    for name in _VARIABLES:
        if secret := os.environ.get(name):
            text = text.replace(secret, "***")
    return text


def are_given() -> bool:
    """Whether variables hold a password or a token: MLflow sends it to each server that it asks."""
    return any(os.environ.get(name) for name in _VARIABLES)


def without_login(uri: str) -> str:
    """The address of a server without user and password, as a browser is to open it."""
    return _LOGIN.sub("", uri)
