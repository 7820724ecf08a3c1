"""Projects: their keys, and the pseudonyms and digests that are made with them."""

from __future__ import annotations

import hmac

from hmchain.canonical import digest
from hmchain.keys import SecretKey
from hmchain.records.catalogue.database import Database
from hmchain.records.catalogue.patients import Patients
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.envelope import open_envelope, seal


class Projects:
    """The projects of a catalogue, each with a key that is sealed under the hospital's local one."""

    def __init__(self, file: Database, local: SecretKey, *, people: SecretKey, patients: Patients) -> None:
        """`people` is the key by which the hospital's `patients` are known in all projects."""
        self._file, self._local, self._people = file, local, people
        self._patients = patients
        self._keys: dict[str, SecretKey] = {}
        self._item_keys: dict[str, SecretKey] = {}

    def names(self) -> list[str]:
        """The names of all projects that have a key, in order."""
        return [name for (name,) in self._file.query("SELECT name FROM projects ORDER BY name")]

    def key(self, project: str) -> SecretKey:
        """The secret that a project's pseudonyms are made with; made at first use."""
        if project not in self._keys:
            self._keys[project] = self._load_or_make(project)
        return self._keys[project]

    def pseudonyms(self, project: str) -> Pseudonyms:
        """A project's pseudonyms; its key is made at first use."""
        return Pseudonyms(self.key(project), project, self._people, self._patients.people())

    def all_pseudonyms(self) -> dict[str, Pseudonyms]:
        """The pseudonyms of all projects that have a key, by their names, in order."""
        people = self._patients.people()
        return {name: Pseudonyms(self.key(name), name, self._people, people) for name in self.names()}

    def item_digest(self, project: str, name: str) -> bytes:
        """Digest an item's name; the 32 bytes, all that is kept, say nothing to who lacks the project's key."""
        if project not in self._item_keys:
            self._item_keys[project] = self.key(project).derive("hmchain catalogue items")
        return hmac.digest(self._item_keys[project].raw, name.encode("utf-8", "surrogateescape"), "sha256")

    def _load_or_make(self, project: str) -> SecretKey:
        context = digest("hmchain catalogue project", project.encode())
        found = self._file.query("SELECT sealed FROM projects WHERE name = ?", (project,))
        if found:
            return SecretKey(open_envelope(found[0][0], self._local, context))
        key = SecretKey.generate()
        with self._file.transaction() as database:
            database.execute("INSERT INTO projects VALUES (?, ?)", (project, seal(key.raw, self._local, context)))
        return key
