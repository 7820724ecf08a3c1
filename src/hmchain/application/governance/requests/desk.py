"""Requests that somebody is still writing, at the hospital: files as the command line takes them, one folder each.

Nothing of them is on the ledger, and nobody but the hospital can read them, until they are handed in.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hmchain import files
from hmchain.application.governance.requests.documents import FILE_BYTES_MAX, DocumentError, media_of
from hmchain.application.governance.requests.file import ATTACHED, RequestFile, RequestFileError, load_request
from hmchain.ledger.context import is_name
from hmchain.plain import size

DRAFTS_MAX, ATTACHED_MAX = 50, 20
_FILE, _BYTES_MAX = "request.toml", 1 << 20
_LETTERS = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_MAX = 80


class NoSuchDraftError(RequestFileError):
    """A person writes no request of this name here."""

    code = "no_such_draft"


class TooManyDraftsError(RequestFileError):
    """A person has more drafts, or a draft more files, than a hospital keeps."""

    code = "too_many_drafts"


class Desk:
    """One person's drafts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """All of them, in order."""
        return sorted(each.parent.name for each in self._folder.glob(f"*/{_FILE}"))

    def path(self, name: str) -> Path:
        """The file of a draft, for who checks it or hands it in. Raises `NoSuchDraftError`."""
        if not self.has(name):
            raise NoSuchDraftError(f"there is no draft {name} of yours here", "begin one, or hand in its file")
        return self._folder / name / _FILE

    def has(self, name: str) -> bool:
        """Whether there is one of this name."""
        return is_name(name) and (self._folder / name / _FILE).is_file()

    def read(self, name: str) -> dict[str, Any]:
        """A draft as it is written, complete or not. Raises `NoSuchDraftError`, or `RequestFileError`."""
        try:
            return tomllib.loads(files.read(self.path(name), limit=_BYTES_MAX).decode())
        except (files.TooLargeError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise RequestFileError(f"the draft {name} cannot be read", "delete it, and begin it anew") from error

    def load(self, name: str) -> RequestFile:
        """A draft as a whole request. Raises as `load_request`."""
        return load_request(self.path(name))

    def write(self, name: str, table: Mapping[str, Any]) -> None:
        """Keep a draft; what is attached stays. Raises `RequestFileError` or `TooManyDraftsError`."""
        import tomlkit  # as settings do

        if not is_name(name):
            raise RequestFileError(f"{name!r} is no name", "up to 48 of a-z, 0-9, '.', '_', '-'")
        if not self.has(name) and len(self.names()) >= DRAFTS_MAX:
            raise TooManyDraftsError(f"there are {DRAFTS_MAX} drafts of yours", "delete one that you do not need")
        text = tomlkit.dumps(dict(table)).encode()
        if len(text) > _BYTES_MAX:
            raise RequestFileError("the draft is too long", f"at most {size(_BYTES_MAX)}: attach what is long")
        folder = self._folder / name
        files.make_folder(folder, mode=0o700)
        files.write_whole(folder / _FILE, text, durable=False, mode=files.PRIVATE)

    def attach(self, name: str, kind: str, called: str, data: bytes) -> None:
        """Put a file beside a draft. Raises `RequestFileError`, `DocumentError` or `TooManyDraftsError`."""
        table = self.read(name)
        if kind not in ATTACHED:
            raise RequestFileError(f"{kind!r} is no kind of document", f"it may be {', '.join(ATTACHED)}")
        if len(data) > FILE_BYTES_MAX or media_of(data) is None:
            what = f"a PDF, a text, a PNG or JPEG of at most {size(FILE_BYTES_MAX)}"
            raise DocumentError("that file cannot be attached", f"attach {what}")
        attached = attached_to(table)
        if len(attached) >= ATTACHED_MAX:
            raise TooManyDraftsError(f"{ATTACHED_MAX} files are attached", "take one away")
        file = _file_name(kind, called, {each for _, each in attached})
        files.write_whole(self.path(name).parent / file, data, durable=False, mode=files.PRIVATE)
        self._attached(name, table, [*attached, (kind, file)])

    def detach(self, name: str, file: str) -> None:
        """Take a file away from a draft."""
        table = self.read(name)
        attached = attached_to(table)
        if file in (each for _, each in attached):
            (self.path(name).parent / file).unlink(missing_ok=True)
            self._attached(name, table, [each for each in attached if each[1] != file])

    def delete(self, name: str) -> None:
        """Forget a draft. What was handed in stays on the ledger."""
        shutil.rmtree(self.path(name).parent)

    def _attached(self, name: str, table: dict[str, Any], attached: list[tuple[str, str]]) -> None:
        kinds = dict.fromkeys(kind for kind, _ in attached)
        table["attachments"] = {kind: [file for each, file in attached if each == kind] for kind in kinds}
        self.write(name, table)


def attached_to(table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The kind and the file of each document that is attached to a draft."""
    found = table.get("attachments", {})
    pairs = found.items() if isinstance(found, dict) else ()
    return [(str(kind), str(each)) for kind, names in pairs for each in ([names] if isinstance(names, str) else names)]


def _file_name(kind: str, called: str, taken: set[str]) -> str:
    """A name of a file's own, whatever the sender called it, which its readers see."""
    stem = _LETTERS.sub("-", called.rpartition("/")[2].rpartition("\\")[2]).strip(".-")[-_NAME_MAX:] or kind
    name, number = (stem if stem != _FILE else f"{kind}-{stem}"), 2
    while name in taken:
        name, number = f"{number}-{stem}", number + 1
    return name
