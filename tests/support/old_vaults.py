"""Vaults as earlier versions wrote them."""

from __future__ import annotations

from hashlib import sha256

from hmchain.records.objects import ObjectStore


def put_as_before(store: ObjectStore, data: bytes) -> bytes:
    """Keep an object under its SHA-256, as earlier versions named them."""
    name = sha256(data).digest()
    store.backend.write_many([(f"{name.hex()[:2]}/{name.hex()}", data)])
    return name
