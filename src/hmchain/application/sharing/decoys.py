"""Decoys: what goes into the members' store where an emergency brings nothing.

Whoever keeps that store counts what comes into it. So where nobody is known, or nothing may go, as much goes there as
there would be of somebody who is known: envelopes of nothing, in number and size like the records of one patient of the
version. Who that is and what the envelopes are follows from who is sought, under the hospital's key: asking again
brings nothing new, as for somebody who is known, and what lies there already of the patient brings no decoy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, repeat

from hmchain.application.sharing import copying
from hmchain.application.sharing.giving_book import GivingBook
from hmchain.application.sharing.manifest import OpenManifest, PageRef
from hmchain.application.site.hospital import Records
from hmchain.canonical import digest
from hmchain.keys import SecretKey
from hmchain.records.catalogue import Version
from hmchain.records.envelope import CHUNK_BYTES, opened_size, seal_stream
from hmchain.records.objects import MissingObjectError, ObjectStore, address_of_pieces

Refs = tuple[PageRef, ...]


def send(records: Records, version: Version, objects: ObjectStore, book: GivingBook, name: str, sought: bytes) -> Refs:
    """Put the decoys of an emergency into the store, each written down before; returns where they are.

    `sought` tells one who is sought from another. Raises an error of a store or the vault.
    """
    seed, store = book.decoy_seed(version.dataset, sought), records.folder.store()
    like = _patient(records, version, seed)
    addresses = records.vault.handing.addresses(version.dataset, version.number, like) if like else []
    lacking = copying.lacking(objects, {address: store.size(address) for address in addresses})
    found = []
    for address, size in lacking.items():
        decoy = address_of_pieces(_envelope(seed, address, size))
        book.send(name, [decoy], [decoy])
        objects.put_stream(_envelope(seed, address, size))
        found.append(PageRef(decoy, size))
    return tuple(found)


def read(opened: OpenManifest) -> None:
    """Fetch what a manifest names as decoys, and keep nothing: whoever keeps the store sees what is fetched."""
    for each in opened.head.decoys:
        with suppress(MissingObjectError):
            for _ in opened.store.get_stream(each.address, verify=False):
                pass


def _patient(records: Records, version: Version, seed: SecretKey) -> str:
    """The patient of the version whose records are likened; empty where records are nobody's."""
    subjects = set(records.vault.owners(version.dataset, version.number).values()) - {""}
    return min(subjects, key=lambda each: digest("hmchain decoy", seed.secret_bytes(), each.encode()), default="")


def _envelope(seed: SecretKey, address: bytes, size: int) -> Iterator[bytes]:
    """An envelope of zeros, as large as an object; the same one each time."""
    key, count = seed.derive("hmchain decoy key", address), opened_size(size)
    zeros = chain(repeat(bytes(CHUNK_BYTES), count // CHUNK_BYTES), (bytes(count % CHUNK_BYTES),))
    context = digest("hmchain decoy context", key.secret_bytes())
    return seal_stream(zeros, key, context, root=context)
