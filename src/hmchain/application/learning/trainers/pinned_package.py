"""Imports of a package from bytes that somebody looked at, whatever lies on the disk by now."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType

Files = tuple[tuple[str, bytes], ...]
"""Paths within a package and what they hold; of a module that is one file, that file."""
_ORIGIN = "<accepted>/"


class OtherPackageError(ImportError):
    """Another package of that name is in this process already."""


def pin_package(top: str, files: Files) -> None:
    """Let a top-level package be imported from these bytes alone, also later. Raises `OtherPackageError`."""
    pinned = next((each for each in sys.meta_path if isinstance(each, _PinnedPackage) and each.top == top), None)
    if pinned is None and top not in sys.modules:
        pinned = _PinnedPackage(top, files)
        sys.meta_path.insert(0, pinned)
    if pinned is None or pinned.given != files:
        raise OtherPackageError(top)


def is_pinned(filename: str) -> bool:
    """True for the name that a module of such a package has in tracebacks."""
    return any(isinstance(each, _PinnedPackage) and each.has(filename) for each in sys.meta_path)


class _PinnedPackage(MetaPathFinder, Loader):
    """Finds and loads what is in one package; of its name nothing else can be imported."""

    def __init__(self, top: str, files: Files) -> None:
        self.top, self.given = top, files
        folder = "" if files[0][0] == f"{top}.py" and len(files) == 1 else f"{top}/"
        self._files = {folder + name: data for name, data in files}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != self.top:
            return None
        name = self._source(fullname)
        if name is None:  # None would let another finder look for it
            raise ModuleNotFoundError(f"no module {fullname} in what was accepted", name=fullname)
        is_package = name.endswith("/__init__.py")
        spec = spec_from_loader(fullname, self, origin=_ORIGIN + name, is_package=is_package)
        if spec is not None:
            spec.has_location = True
        return spec

    def exec_module(self, module: ModuleType) -> None:
        name = self._source(module.__name__)
        assert name is not None, "it was found"
        exec(compile(self._files[name], _ORIGIN + name, "exec", dont_inherit=True), module.__dict__)  # noqa: S102

    def get_data(self, path: str) -> bytes:
        """A file of the package, for `pkgutil.get_data`."""
        try:
            return self._files[path.removeprefix(_ORIGIN)]
        except KeyError as error:
            raise FileNotFoundError(path) from error

    def has(self, path: str) -> bool:
        """True for a path of one of its files, as its modules have it."""
        return path.startswith(_ORIGIN) and path.removeprefix(_ORIGIN) in self._files

    def _source(self, fullname: str) -> str | None:
        stem = fullname.replace(".", "/")
        return next((name for name in (f"{stem}/__init__.py", f"{stem}.py") if name in self._files), None)
