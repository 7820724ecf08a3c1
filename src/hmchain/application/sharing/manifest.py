"""The manifest of a transfer: what is given, record by record, with what opens each and what proves each.

It is a tree of sealed objects in the store that members share. *Pages* list the places of the dataset version in its
order: of a record that is given all that there is to say, its key among it; of every other one its leaf, which says
nothing. The *head* names the pages, and holds the key of the version's root, so that who has all pages computes the
root that the giver published. Head and pages are sealed under one grant key. The *envelope* wraps that key to the
grantee, bound to what the ledger says of the transfer: whoever changes grantee, purpose, end, permit or manifest opens
nothing.

The ledger has the addresses of head and envelope, in a transaction that the giver signed. That is the signature of all
beneath them: an address is the BLAKE3 of a ciphertext, and an envelope commits to its key.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TypeVar

from hmchain.canonical import PADDED_BYTES, NotCanonicalError, Record, decode, digest, encode, padded
from hmchain.errors import StorageError
from hmchain.keys import Opener, Redacted, SecretKey, WrappedKey, WrappingPublicKey
from hmchain.ledger.contracts.data.transfers import Transfer
from hmchain.records.envelope import open_envelope, seal
from hmchain.records.objects import ObjectStore, address_of
from hmchain.records.vault import HandedRecord, RootKey

T = TypeVar("T")

PAGE_PLACES = 512
"""Places in one page: some 300 KB, which is what giver and grantee hold of a manifest at one time."""
EMERGENCY_UNIT = 48 << 10
"""Pages and head fill such units in an emergency: a page that gives some fifty records is as large as one without."""
_PAGE_BYTES_MAX = 64 << 20
_HEAD_BYTES_MAX = 64 << 20
_ENVELOPE_BYTES_MAX = 8 << 10


class ManifestError(StorageError):
    """What was given is not what the ledger says, or not what the giver published."""

    code = "manifest"


class Described(Redacted, Record, frozen=True):
    """What the giver's catalogue says of a record."""

    kind: str
    media_type: str
    size: int
    """Bytes of plaintext."""
    label: str
    attributes: tuple[tuple[str, str], ...]


class Given(Redacted, Record, frozen=True, tag="given"):
    """A record that is given."""

    handed: HandedRecord
    sealed: int
    """Bytes of its ciphertext."""
    said: Described

    @property
    def leaf(self) -> bytes:
        """Its leaf in the version's tree."""
        return self.handed.leaf


class Withheld(Record, frozen=True, tag="withheld"):
    """A record of the version that is not given."""

    leaf: bytes


class Page(Redacted, Record, frozen=True, tag="manifest page"):
    """Places of the version, in its order."""

    places: tuple[Given | Withheld, ...]
    padding: bytes = b""


class PageRef(Record, frozen=True):
    """A page in the store, or a decoy."""

    address: bytes
    size: int


class Origin(Redacted, Record, frozen=True):
    """What the giver says of the dataset, as its catalogue has it: JSON where that is."""

    title: str
    profile: str
    schema: str
    form: str
    source: str
    actions: tuple[tuple[str, str, int], ...]
    """What de-identification did: element, what, how often."""


class Head(Redacted, Record, frozen=True, tag="manifest head"):
    """All of a manifest but its pages."""

    transfer: bytes
    """What the ledger says of the transfer (`terms_of`)."""
    origin: Origin
    root: RootKey
    records: int
    """How many are given."""
    ciphertext: int
    """Bytes of it, a record's each time."""
    pages: tuple[PageRef, ...]
    decoys: tuple[PageRef, ...]
    """What lies in the store where an emergency gives nothing, for the grantee to fetch as if it were something."""
    padding: bytes = b""


class Envelope(Record, frozen=True, tag="grant envelope"):
    """The grant key, wrapped to the grantee, and where the head is."""

    head: bytes
    size: int
    reader: bytes
    """Digest (32 bytes) of the grantee's key that it is wrapped to."""
    wrapped: WrappedKey


@dataclass(frozen=True)
class Terms:
    """What a transfer is bound to, as both sides know it from the ledger."""

    chain_id: str
    name: str
    giver: str
    grantee: str
    dataset: str
    version: int
    purpose: str
    until_ms: int
    permit: bytes
    """Digest of what the giver said yes to."""

    @property
    def digest(self) -> bytes:
        """All of it (32 bytes)."""
        return digest("hmchain transfer terms", encode(list(vars(self).values())))

    def info(self, head: bytes) -> bytes:
        """The context that the grant key is wrapped in."""
        return digest("hmchain grant key", encode(list(vars(self).values())), head)

    def context(self, what: str, number: int = 0) -> bytes:
        """What head and pages are bound to."""
        return digest("hmchain manifest", self.digest, what.encode(), number.to_bytes(8, "big"))


def terms_of(chain_id: str, entry: Transfer) -> Terms:
    """The terms of a transfer that stands on the ledger."""
    return Terms(
        chain_id, entry.name, entry.giver, entry.grantee, entry.dataset, entry.version, entry.purpose, entry.until_ms,
        entry.content,
    )  # fmt: skip


@dataclass(frozen=True)
class Sealed:
    """An object that is made and not yet sent."""

    data: bytes
    address: bytes

    @property
    def ref(self) -> PageRef:
        """Its place in a head."""
        return PageRef(self.address, len(self.data))


def seal_page(page: Page, number: int, terms: Terms, key: SecretKey, unit: int = PADDED_BYTES) -> Sealed:
    """The same object each time for the same places: who was cut short sends no second one. It fills whole units."""
    return _sealed(encode(padded(page, unit)), key, terms.context("page", number))


def seal_head(head: Head, terms: Terms, key: SecretKey, unit: int = PADDED_BYTES) -> Sealed:
    """As `seal_page`."""
    return _sealed(encode(padded(head, unit)), key, terms.context("head"))


def wrap(head: Sealed, terms: Terms, key: SecretKey, grantee: WrappingPublicKey) -> Sealed:
    """The envelope; another one each time. Raises `KeyMaterialError` for a key that is none."""
    wrapped = grantee.wrap(key.raw, terms.info(head.address))
    data = encode(Envelope(head.address, len(head.data), _reader(grantee), wrapped))
    return Sealed(data, address_of(data))


def is_wrapped_to(envelope: bytes, grantee: WrappingPublicKey) -> bool:
    """Whether an envelope that `wrap` made is for this key, and not for one that it took the place of."""
    return hmac.compare_digest(decode(envelope, Envelope).reader, _reader(grantee))


def _reader(key: WrappingPublicKey) -> bytes:
    return digest("hmchain reader of a grant", encode(key))


@dataclass(frozen=True, repr=False)
class OpenManifest(Redacted):
    """A manifest that its grantee has opened."""

    head: Head
    terms: Terms
    key: SecretKey
    store: ObjectStore

    def page(self, number: int) -> Page:
        """One page. Raises `ManifestError`, or an error of the store or the envelope."""
        ref = self.head.pages[number]
        if not 0 < ref.size <= _PAGE_BYTES_MAX:
            raise _other(self.terms)
        data = self.store.get(ref.address, size=ref.size)
        page = _decoded(open_envelope(data, self.key, self.terms.context("page", number)), Page, self.terms)
        if len(page.places) > PAGE_PLACES:
            raise _other(self.terms)
        return page


def open_manifest(store: ObjectStore, terms: Terms, entry: Transfer, opener: Opener) -> OpenManifest:
    """Open what was given by what the ledger says of it.

    Raises `UnwrapError` if it was wrapped to somebody else or for other terms, `ManifestError` for what the ledger does
    not name, or an error of the store.
    """
    if store.size(entry.envelope) > _ENVELOPE_BYTES_MAX:
        raise _other(terms)
    envelope = _decoded(store.get(entry.envelope), Envelope, terms)
    if envelope.head != entry.manifest or not 0 < envelope.size <= _HEAD_BYTES_MAX:
        raise _other(terms)
    key = SecretKey(opener.unwrap(envelope.wrapped, terms.info(entry.manifest)))
    sealed = store.get(entry.manifest, size=envelope.size)
    head = _decoded(open_envelope(sealed, key, terms.context("head")), Head, terms)
    if head.transfer != terms.digest:
        raise _other(terms)
    return OpenManifest(head, terms, key, store)


def _sealed(data: bytes, key: SecretKey, context: bytes) -> Sealed:
    sealed = seal(data, key, context, root=digest("hmchain manifest object", data))
    return Sealed(sealed, address_of(sealed))


def _decoded(data: bytes, kind: type[T], terms: Terms) -> T:
    try:
        return decode(data, kind)
    except NotCanonicalError as error:
        raise _other(terms) from error


def _other(terms: Terms) -> ManifestError:
    what = f"what {terms.giver} put into the store for {terms.name} is not what the ledger names"
    return ManifestError(what, f"nothing was taken in; tell {terms.giver}: they give it anew under another name")
