"""Objects that one participant keeps on its own disk until their round is final.

Plain files named by their address. What comes from the shared store was checked on the way in and is not hashed again;
what is read back is, since a crash may have torn it.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from hmchain import files
from hmchain.records.objects import DiskFullError, address_of


class ObjectCache:
    """Sealed objects by address, in a folder of their own; None keeps them in memory."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._memory: dict[bytes, bytes] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def put(self, address: bytes, data: bytes) -> None:
        """Keep an object whose address is known to be right. A power cut may take it. Raises `DiskFullError`."""
        if self.folder is None:
            self._memory[address] = data
            return
        try:
            files.write_whole(self.folder / address.hex(), data, durable=False)
        except OSError as error:
            raise DiskFullError("an agent's cache cannot be written", "free some space, then run again") from error

    def get(self, address: bytes) -> bytes | None:
        """An object, or None if it is not here or damaged."""
        if self.folder is None:
            return self._memory.get(address)
        try:
            data = (self.folder / address.hex()).read_bytes()
        except OSError:
            return None
        return data if address_of(data) == address else None

    def holds(self, address: bytes) -> bool:
        """Whether an object is here; its bytes are not read."""
        return address in self._memory if self.folder is None else (self.folder / address.hex()).is_file()

    def keep_only(self, addresses: Collection[bytes]) -> None:
        """Forget every object but these."""
        self._memory = {address: data for address, data in self._memory.items() if address in addresses}
        names = {address.hex() for address in addresses}
        for path in self.folder.iterdir() if self.folder is not None else ():
            if path.name not in names:
                path.unlink(missing_ok=True)
