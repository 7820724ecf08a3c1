"""Settings are read as TOML by the standard library, which does not write it."""

from __future__ import annotations

import msgspec


def toml_string(text: str) -> str:
    """A TOML basic string; JSON's strings are such."""
    return msgspec.json.encode(text).decode()
