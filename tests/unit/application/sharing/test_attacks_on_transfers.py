"""Attacks on what travels: by another member, by the store, by a giver that gives something else, by a grantee."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.sharing import sending
from hmchain.application.sharing.manifest import (
    Given,
    ManifestError,
    Page,
    Withheld,
    open_manifest,
    seal_head,
    seal_page,
    terms_of,
    wrap,
)
from hmchain.application.sharing.receiving import NotOfferedError, check_root
from hmchain.application.sharing.warrant import NotPermittedError
from hmchain.application.site.hospital import open_records
from hmchain.errors import HMChainError
from hmchain.keys import UnwrapError, WrappingKey
from hmchain.ledger.contracts import Body
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.contracts.members.rotation import RotateWrappingKey
from hmchain.records.catalogue import Dataset, ItemDone, RecordEntry
from hmchain.records.deidentification.profile import load_profile
from hmchain.records.envelope import EnvelopeError
from hmchain.records.objects import TamperedObjectError, WrongSizeError
from support.sharing_bed import GIVER, GRANTEE, SharingBed
from support.sharing_bed import sharing as sharing

OTHER = "north"


@pytest.fixture
def offered(sharing: SharingBed) -> SharingBed:
    sharing.fill("image")
    sharing.ask()
    sharing.give()
    return sharing


def test_no_other_member_opens_it(offered: SharingBed) -> None:
    """All of it lies where each member reads, and the ledger says where."""
    entry = offered.transfer("relapse-east")
    terms = terms_of(offered.bed.consortium.ledger.chain_id, entry)
    with pytest.raises(UnwrapError):
        open_manifest(offered.objects, terms, entry, offered.opening(OTHER))
    with pytest.raises(NotOfferedError):
        offered.receive("relapse-east", OTHER)
    assert open_manifest(offered.objects, terms, entry, offered.opening(GRANTEE)).head.records == 5


@pytest.mark.parametrize(
    "changed",
    [{"until_ms": 1 << 60}, {"purpose": "DUO:0000043"}, {"permit": bytes(32)}, {"grantee": OTHER}, {"chain_id": "x"}],
)
def test_a_grant_for_other_terms_opens_nothing(offered: SharingBed, changed: dict[str, object]) -> None:
    entry = offered.transfer("relapse-east")
    terms = dataclasses.replace(terms_of(offered.bed.consortium.ledger.chain_id, entry), **changed)
    with pytest.raises(UnwrapError):
        open_manifest(offered.objects, terms, entry, offered.opening(GRANTEE))


@pytest.mark.parametrize("told", [False, True])
def test_no_key_goes_to_one_that_its_grantee_has_replaced(
    sharing: SharingBed, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    """A grant that was cut short goes on when the grantee has another key: the former one may have been stolen."""
    sharing.fill("image")
    sharing.ask()

    send = LedgerUser.send

    def stops(self: LedgerUser, body: Body) -> None:
        if told:
            send(self, body)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(LedgerUser, "send", stops)
        sharing.give()
    former, fresh = sharing.opening(GRANTEE), WrappingKey.generate()
    sharing.steward(GRANTEE).send(RotateWrappingKey(fresh.public))
    if told:  # the ledger names the envelope that was sealed to the former key
        with pytest.raises(NotPermittedError, match="has another key"):
            sharing.give()
        assert not sharing.file(sharing.transfer("relapse-east").envelope).exists()
        sharing.revoke("relapse-east")
        sharing.erase("relapse-east", GIVER)
    entry = sharing.transfer(sharing.give().transfer)
    terms = terms_of(sharing.bed.consortium.ledger.chain_id, entry)
    assert open_manifest(sharing.objects, terms, entry, fresh).head.records == 5
    with pytest.raises(UnwrapError):
        open_manifest(sharing.objects, terms, entry, former)


@pytest.mark.parametrize("how", ["altered", "cut short", "gone"])
@pytest.mark.parametrize("what", ["record", "manifest"])
def test_what_the_store_altered_is_not_taken_in(offered: SharingBed, what: str, how: str) -> None:
    entry = offered.transfer("relapse-east")
    path = offered.files_of_records(GIVER)[0] if what == "record" else offered.file(entry.manifest)
    whole = path.read_bytes()
    end = b"" if how == "cut short" else bytes([whole[-1] ^ 1])
    path.unlink() if how == "gone" else path.write_bytes(whole[:-1] + end)
    with pytest.raises((TamperedObjectError, WrongSizeError, HMChainError)):
        offered.receive("relapse-east")
    assert offered.contents(GRANTEE, "relapse-east") == {}
    path.write_bytes(whole)
    offered.receive("relapse-east")


def other_record(place: Given) -> Given:
    """The ciphertext of another record under this one's name."""
    return replace(place, handed=replace(place.handed, salt=secrets.token_bytes(16)))


def other_name(place: Given) -> Given:
    return replace(place, handed=replace(place.handed, record=f"{place.handed.record}x"))


def left_out(place: Given) -> Withheld:
    """A record more in the version than was published."""
    return Withheld(secrets.token_bytes(32))


@pytest.mark.parametrize("change", [other_record, other_name, left_out])
def test_a_giver_that_gives_other_records_than_it_published_is_found(
    sharing: SharingBed, monkeypatch: pytest.MonkeyPatch, change: Callable[[Given], Given | Withheld]
) -> None:
    def sealed(page: Page, *rest: object) -> object:
        first, *others = page.places
        return seal_page(replace(page, places=(change(first), *others)), *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(sending, "seal_page", sealed)
    sharing.fill("image")
    sharing.ask()
    given = sharing.give()
    with pytest.raises(ManifestError, match="not those of"):
        sharing.receive(given.transfer)
    assert not sharing.datasets(GRANTEE), "nothing was taken in"


def test_a_giver_that_gives_a_wrong_key_is_found(sharing: SharingBed, monkeypatch: pytest.MonkeyPatch) -> None:
    def sealed(page: Page, *rest: object) -> object:
        wrong = (replace(each, handed=replace(each.handed, key=bytes(32))) for each in page.places)
        return seal_page(replace(page, places=tuple(wrong)), *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(sending, "seal_page", sealed)
    sharing.fill("image")
    sharing.ask()
    with pytest.raises(HMChainError, match="another key"):
        sharing.receive(sharing.give().transfer)
    assert sharing.contents(GRANTEE, "relapse-east") == {}


def test_a_record_that_is_called_like_a_file_elsewhere_is_not_taken_in(sharing: SharingBed) -> None:
    """An export names files by records."""
    with open_records(sharing.folder(GIVER)) as records:
        catalogue, name = records.catalogue, "../../keys/steward.key"
        catalogue.add_dataset(Dataset("head", "Odd", "tumours", load_profile("basic"), 1))
        catalogue.open_version("head", "a program", 1)
        records.vault.put("head", 1, name, b"x")
        catalogue.add_items("head", 1, [ItemDone(b"x", (RecordEntry(name, "", "image", "image/png", 1),))])
        sharing.publish(records, "head")
    sharing.ask()
    with pytest.raises(ManifestError):
        sharing.receive(sharing.give().transfer)
    assert not sharing.datasets(GRANTEE)


@pytest.mark.parametrize(("kind", "attribute"), [("fhir", "resource"), ("table", "table")])
def test_what_is_said_of_a_record_names_no_file_elsewhere(
    sharing: SharingBed, monkeypatch: pytest.MonkeyPatch, kind: str, attribute: str
) -> None:
    """A giver's word that no root binds: exports as bulk data and as OMOP name files by it."""

    def elsewhere(place: Given | Withheld) -> Given | Withheld:
        assert isinstance(place, Given) and attribute in dict(place.said.attributes)
        said = tuple(sorted((dict(place.said.attributes) | {attribute: "../../hooks/x"}).items()))
        return replace(place, said=replace(place.said, attributes=said))

    def sealed(page: Page, *rest: object) -> object:
        return seal_page(replace(page, places=tuple(map(elsewhere, page.places))), *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(sending, "seal_page", sealed)
    sharing.fill(kind)
    sharing.ask()
    with pytest.raises(ManifestError):
        sharing.receive(sharing.give().transfer)
    assert not sharing.datasets(GRANTEE)


def test_a_manifest_of_one_transfer_is_none_of_another(offered: SharingBed) -> None:
    """A giver that wraps what it sealed for one transfer again, for another one."""
    entry = offered.transfer("relapse-east")
    terms = terms_of(offered.bed.consortium.ledger.chain_id, entry)
    opened = open_manifest(offered.objects, terms, entry, offered.opening(GRANTEE))
    longer = dataclasses.replace(terms, name="for-ever", until_ms=1 << 50)
    member = membership.membership(offered.bed.state, GRANTEE)
    assert member is not None
    head = seal_head(opened.head, terms, opened.key)
    envelope = wrap(head, longer, opened.key, member.member.wrapping)
    offered.objects.put_many((head.data, envelope.data))
    forged = replace(entry, name="for-ever", until_ms=1 << 50, envelope=envelope.address, manifest=head.address)
    with pytest.raises(EnvelopeError):
        open_manifest(offered.objects, longer, forged, offered.opening(GRANTEE))


def test_withheld_records_are_counted_and_say_nothing(sharing: SharingBed) -> None:
    sharing.fill("image")
    record = sharing.opt_out(GIVER)
    sharing.ask()
    given = sharing.give()
    assert (given.records, given.withheld) == (4, 1)
    entry = sharing.transfer(given.transfer)
    terms = terms_of(sharing.bed.consortium.ledger.chain_id, entry)
    opened = open_manifest(sharing.objects, terms, entry, sharing.opening(GRANTEE))
    assert check_root(opened, sharing.bed.state, entry) == 1
    withheld = [each for each in opened.page(0).places if isinstance(each, Withheld)]
    assert len(withheld) == 1 and record.encode() not in withheld[0].leaf


def test_nothing_in_clear_lies_in_the_store(offered: SharingBed, tmp_path: Path) -> None:
    lying = b"".join(path.read_bytes() for path in (offered.bed.directory / "objects").glob("??/*"))
    with_names = [record.encode() for record in offered.contents(GIVER, "head")]
    assert not any(name in lying for name in with_names) and b"\x89PNG" not in lying
