"""The code of somebody's own trainer: where it lies, the digest that a study pins, and how it becomes a class.

A trainer is named as `FILE.py:CLASS` or `MODULE:CLASS`. What the digest is made of: the class's name and the bytes of
that one file; of a module in a package the bytes of all files of its top-level package. These very bytes are what is
imported, also by an import that runs later. What such code imports besides (numpy, other packages) is not in it.
Nothing is imported before the digest is the one that was asked for.
"""

from __future__ import annotations

import builtins
import importlib
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder, SourceFileLoader
from inspect import isabstract
from pathlib import Path
from traceback import extract_tb
from types import ModuleType

from hmchain.application.learning.trainers.pinned_package import Files, OtherPackageError, is_pinned, pin_package
from hmchain.application.learning.trainers.trainer import Trainer
from hmchain.canonical import digest
from hmchain.errors import InputError

INTERFACE = 2
"""Of trainers and the agent's part in training; in every digest, so that another version of either is another code."""
_DIGEST_BYTES = 32
_PASSED_OVER = {"__pycache__"}
"""Files that Python makes of the sources: neither in the digest nor imported."""
_BYTES_MAX = 64 << 20
_NAME_LETTERS_MAX = 64
_KINDS = frozenset(kind for kind in vars(builtins).values() if isinstance(kind, type))


class TrainerCodeError(InputError):
    """The code of a trainer cannot be found, is no trainer, or is not the one that was accepted."""

    code = "trainer_code"


@dataclass(frozen=True)
class TrainerSource:
    """A trainer's code, as it lies on this machine now. Nothing of it has run."""

    where: str
    """`FILE.py` or `MODULE`, as it was given."""
    name: str
    """Of the class."""
    digest: bytes
    files: Files
    """What the digest is made of: paths within the package, with their bytes; of a file its bytes alone."""
    path: Path | None
    """The file; None for a module."""

    def __str__(self) -> str:
        return f"{self.where}:{self.name}"

    def load(self) -> type[Trainer]:
        """Import it: its code runs, with the rights of this process. Raises `TrainerCodeError`."""
        try:
            module = self._from_module() if self.path is None else self._from_file(self.path)
        except OtherPackageError as error:
            what = f"another {self.where.partition('.')[0]} than the accepted one is loaded in this process"
            raise TrainerCodeError(
                what, "start the agent, or Python, again; or give the package another name"
            ) from error
        except Exception as error:
            hint = "see the whole error: python " + (self.where if self.path else f"-m {self.where}")
            raise TrainerCodeError(f"{self.where} cannot be imported: {place_of(error, self.where)}", hint) from error
        found = getattr(module, self.name, None)
        if not isinstance(found, type) or not issubclass(found, Trainer) or isabstract(found):
            hint = "it must be a class derived from hmchain.Trainer, with initial, train and score"
            raise TrainerCodeError(f"{self} is no trainer", hint)
        return found

    def _from_module(self) -> ModuleType:
        """The same, of a package: files that were changed, or lie where no digest looks, are never loaded."""
        pin_package(self.where.partition(".")[0], self.files)
        return importlib.import_module(self.where)

    def _from_file(self, path: Path) -> ModuleType:
        """The very bytes that the digest is of, whatever lies in the file by now."""
        module = ModuleType(f"hmchain_trainer_{self.digest.hex()[:16]}")
        module.__file__ = str(path)
        sys.modules[module.__name__] = module  # dataclasses look there
        exec(compile(self.files[0][1], str(path), "exec"), module.__dict__)  # noqa: S102 - it was asked for by digest
        return module


@dataclass(frozen=True)
class AcceptedTrainer:
    """A trainer that a hospital lets run: where it lies, and the digest that its people looked at."""

    source: str
    digest: bytes

    def __str__(self) -> str:
        return f"{self.source}@{self.digest.hex()}"


def parse_accepted(text: str, base: Path | None = None) -> AcceptedTrainer:
    """Read `FILE.py:CLASS@DIGEST` (or a module's); a relative path is one within `base`. Raises `TrainerCodeError`."""
    source, _, hexadecimal = text.strip().rpartition("@")
    where, _, name = source.rpartition(":")
    try:
        found = bytes.fromhex(hexadecimal)
    except ValueError:
        found = b""
    if not where or not name.isidentifier() or len(found) != _DIGEST_BYTES:
        hint = "write FILE.py:CLASS@DIGEST, as `hmchain node trainers FILE.py:CLASS` prints it"
        raise TrainerCodeError(f"{text!r} names no trainer that somebody accepted", hint)
    if base is not None and where.endswith(".py"):
        source = f"{base / where}:{name}"
    return AcceptedTrainer(source, found)


def read_source(text: str) -> TrainerSource:
    """Read the code of `FILE.py:CLASS` or `MODULE:CLASS`, without running any of it. Raises `TrainerCodeError`."""
    where, _, name = text.rpartition(":")
    if not where:
        raise TrainerCodeError(f"{text!r} names no class", "write FILE.py:CLASS or MODULE:CLASS")
    require_class_name(name)
    path = Path(where) if where.endswith(".py") else None
    if path is None and not all(part.isidentifier() for part in where.split(".")):
        raise TrainerCodeError(f"{where!r} names no module", "write FILE.py:CLASS or MODULE:CLASS")
    # How a hospital calls a file does not count, a module's name does: it says which file of a package has the class.
    module, files = (where, _of_module(where)) if path is None else ("", (_named(path, ""),))
    parts = [part for file, data in files for part in (file.encode(), data)]
    pinned = digest("hmchain trainer", INTERFACE.to_bytes(2, "big"), module.encode(), name.encode(), *parts)
    return TrainerSource(where, name, pinned, files, path)


def require_class_name(name: str) -> None:
    """Refuse a class's name that all members could not read safely. Raises `TrainerCodeError`."""
    if not (name.isascii() and name.isidentifier() and len(name) <= _NAME_LETTERS_MAX):
        raise TrainerCodeError(f"{name[:_NAME_LETTERS_MAX]!r} names no class", "take letters, digits and _")


def place_of(error: BaseException, within: str) -> str:
    """Kind and place of an error, the innermost in a file; not its text, which may quote a patient's data.

    Names are those of Python's own kinds of errors, and of files that there are: code may give others any name.
    """
    frames = [(frame.filename, frame.lineno) for frame in extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno))
    known = [(Path(name).name, line) for name, line in frames if is_pinned(name) or Path(name).is_file()]
    own = [frame for frame in known if frame[0] == Path(within).name] or known or [("?", 0)]
    kind = next(kind.__name__ for kind in type(error).__mro__ if kind in _KINDS)
    return f"{kind} at {own[-1][0]}:{own[-1][1]}"


def _of_module(module: str) -> Files:
    """All files of a module's top-level package; finding it imports nothing."""
    top = module.partition(".")[0]
    spec = PathFinder.find_spec(top)
    if spec is None:
        hint = "is it installed where the agent runs? A file is named by its path: FILE.py:CLASS"
        raise TrainerCodeError(f"there is no module {top}", hint)
    if not isinstance(spec.loader, SourceFileLoader):  # an archive, a folder without __init__.py, bytecode, a library
        hint = "put its Python files into a folder of their own, with __init__.py"
        raise TrainerCodeError(f"the module {top} is no folder of Python files, or one file", hint)
    origin = Path(spec.loader.path)
    if not spec.submodule_search_locations:
        return (_named(origin, origin.name),)
    root = origin.parent
    found = [path for path in sorted(root.rglob("*")) if not _PASSED_OVER & set(path.relative_to(root).parts)]
    if linked := next((path for path in (root, *found) if path.is_symlink()), None):
        raise TrainerCodeError(
            f"{linked} is a link: what it leads to is in no digest", "put the files themselves there"
        )
    if odd := next((path for path in found if not path.name.isprintable()), None):
        raise TrainerCodeError(f"{odd.name!r} is no name for a file of a trainer", "rename it")
    files = [path for path in found if path.is_file()]
    if sum(path.stat().st_size for path in files) > _BYTES_MAX:
        raise TrainerCodeError(f"the package {top} has more than {_BYTES_MAX >> 20} MiB", "name a package of your own")
    named = tuple(_named(path, path.relative_to(root).as_posix()) for path in files)
    if origin.name not in dict(named):
        raise TrainerCodeError(f"{origin} is not among the files of {top}", "put the file itself there")
    return named


def _named(path: Path, name: str) -> tuple[str, bytes]:
    if path.exists() and not path.is_file():
        raise TrainerCodeError(f"{path} is no file", "write FILE.py:CLASS or MODULE:CLASS")
    try:
        return name, path.read_bytes()
    except (OSError, ValueError) as error:  # the latter of a name that can be none
        raise TrainerCodeError(f"{path} cannot be read", "check the path and its owner") from error
