"""A place that takes objects one by one, and what it says of one that it does not take."""

from __future__ import annotations

from typing import Protocol

from hmchain.errors import StorageError


class DestinationError(StorageError):
    """A place that objects are to be sent to cannot be reached, or does not let us in."""

    code = "destination"


class ObjectRefusedError(StorageError):
    """A place does not take one object; it takes others."""

    code = "object_refused"


class Destination(Protocol):
    """Takes DICOM objects; the same object again is the same object."""

    def send(self, data: bytes) -> None:
        """Send one object. Raises `ObjectRefusedError` if it is not taken, `DestinationError` if nothing is."""
        ...

    def close(self) -> None:
        """Part."""
        ...
