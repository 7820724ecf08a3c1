"""What a client sends: read up to a limit, and a file as it is, spooled where nobody else reads it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query
from starlette.requests import Request

from hmchain.errors import HMChainError, InputError

Title = Annotated[
    str,
    Query(
        alias="file", max_length=120, pattern=r"^([\w() +=,-]+(\.[\w() +=,-]+)*)?$",
        description="The name of the file, as others are shown it: of letters, digits, spaces and `.+=,()_-`.",
    ),
]  # fmt: skip


_PREFIX = "hmchain-upload-"
_NAME_BYTES_MAX = 240
"""File systems take 255."""


class BodyError(InputError):
    """What was sent is not what a route takes."""

    code = "bad_body"


class TooLargeBodyError(InputError):
    """What was sent is larger than any sense it could make."""

    code = "too_large"


@dataclass(frozen=True)
class Upload:
    """A file that came with a request; gone when it is answered."""

    path: Path
    """In a folder of its own that nobody else reads; called as its sender calls it."""
    size: int

    def keep(self) -> Path:
        """The file, in another such folder, which stays when the request is answered: whoever asks removes it."""
        return self.path.rename(Path(tempfile.mkdtemp(prefix=_PREFIX)) / self.path.name)


async def read(request: Request, limit: int) -> bytes:
    """All that a request brings. Raises `TooLargeBodyError` for more than `limit` bytes, before they are all there."""
    whole = bytearray()
    async for piece in _pieces(request, limit):
        whole += piece
    return bytes(whole)


def taken(limit: int) -> Callable[..., Any]:
    """The dependency that spools what a request brings, up to `limit` bytes, and clears it away afterwards.

    The whole of the body is the file, in no form: there is nothing to unpack, and no name in it to follow.
    """

    async def spooled(request: Request, file: Title = "") -> AsyncIterator[Upload]:
        with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
            path, size = Path(folder) / (file or "upload"), 0
            if len(path.name.encode()) > _NAME_BYTES_MAX:
                raise BodyError("the file's name is too long", f"a name of at most {_NAME_BYTES_MAX} bytes in UTF-8")
            with path.open("xb") as spool:
                async for piece in _pieces(request, limit):
                    size += spool.write(piece)
            if not size:
                raise BodyError("no file came", "send the file itself as the body, and its name by ?file=NAME")
            try:
                yield Upload(path, size)
            except HMChainError as error:  # where it lay for a moment is no business of whoever sent it
                error.what = error.what.replace(str(path), file or "what was sent")
                raise

    return spooled


async def _pieces(request: Request, limit: int) -> AsyncIterator[bytes]:
    came = 0
    async for piece in request.stream():
        came += len(piece)
        if came > limit:
            raise TooLargeBodyError(f"this takes at most {limit} bytes", "send less")
        yield piece
