"""A file that came with a form, as a route takes one: spooled where nobody else reads it, and gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.datastructures import UploadFile

from hmchain.errors import HMChainError
from hmchain.interfaces.api.uploads import Upload
from hmchain.interfaces.portal.texts import say


@contextmanager
def spooled(sent: UploadFile, suffix: str = "") -> Iterator[Upload]:
    """A form's file on the disk. Errors of what reads it name no place of this machine."""
    with tempfile.TemporaryDirectory(prefix="hmchain-form-") as folder:
        path = Path(folder) / f"file{suffix}"
        with path.open("xb") as kept:
            shutil.copyfileobj(sent.file, kept)
        try:
            yield Upload(path, sent.size or 0)
        except HMChainError as error:
            error.what = error.what.replace(str(path), say("The file"))
            raise
