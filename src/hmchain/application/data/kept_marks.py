"""Marks on a disk: what a reviewer said outlives the page that it was said on, also one that is killed.

Each person's marks are apart from the others', and signed where that person gave a key: nobody marks in the name of
somebody else. An item is named by its digest, what is blanked by its places: nothing tells who a patient is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from hmchain import decoding, files
from hmchain.application.data.marks import Mark
from hmchain.canonical import digest
from hmchain.keys import ED25519, PublicKey
from hmchain.records.catalogue.entries import Place
from hmchain.records.deidentification.profile import BlankedDevice
from hmchain.records.pipeline.review import Reviewer

_MODE = 0o600


class _Said(msgspec.Struct):
    """Marks of items, None where one was taken back, and devices, as they were said at once."""

    marks: list[tuple[Place, Mark | None]]
    devices: list[tuple[Place, BlankedDevice]]


class _Line(msgspec.Struct):
    said: bytes
    signatures: list[bytes]


class KeptMarks:
    """The marks of those who sit at one desk."""

    def __init__(self, folder: Path, who: Sequence[Reviewer]) -> None:
        """`folder` is the one for all marks of a hospital."""
        self._who = tuple(who)
        keys = [each.key.public.raw if each.key else b"" for each in self._who]
        name = digest("hmchain marks of", *(each.name.encode() for each in self._who), *keys).hex()[:24]
        self._path = folder / f"{name}.jsonl"

    def read(self) -> tuple[dict[Place, Mark], dict[Place, BlankedDevice]]:
        """What was said and is not applied; what is not signed as it must be, or broke off, is left out."""
        marks: dict[Place, Mark] = {}
        devices: dict[Place, BlankedDevice] = {}
        for said in self._said():
            devices.update(said.devices)
            for place, mark in said.marks:
                marks.pop(place, None)
                if mark is not None:
                    marks[place] = mark
        return marks, devices

    def add(self, marks: Mapping[Place, Mark | None], devices: Mapping[Place, BlankedDevice] | None = None) -> None:
        """Write down what was said besides."""
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        with open(self._path, "ab", opener=lambda name, flags: os.open(name, flags, _MODE)) as file:
            file.write(self._line(marks, devices or {}))

    def replace(self, marks: Mapping[Place, Mark], devices: Mapping[Place, BlankedDevice]) -> None:
        """Write down what is left, in place of all before."""
        if marks:
            files.write_whole(self._path, self._line(marks, devices), durable=True, mode=_MODE)
        else:
            self._path.unlink(missing_ok=True)

    def _line(self, marks: Mapping[Place, Mark | None], devices: Mapping[Place, BlankedDevice]) -> bytes:
        said = msgspec.json.encode(_Said(list(marks.items()), list(devices.items())))
        signatures = [each.key.sign(_message(said)) for each in self._who if each.key]
        return msgspec.json.encode(_Line(said, signatures)) + b"\n"

    def _said(self) -> Iterator[_Said]:
        keys = [PublicKey(ED25519, each.key.public.raw) for each in self._who if each.key]
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for text in lines:
            try:
                line = decoding.from_json(text, _Line)
                signed = [key.verify(one, _message(line.said)) for key, one in zip(keys, line.signatures, strict=True)]
                if all(signed):
                    yield decoding.from_json(line.said, _Said)
            except (msgspec.DecodeError, ValueError):  # it broke off, or is of another version
                continue


def _message(said: bytes) -> bytes:
    return digest("hmchain marks", said)
