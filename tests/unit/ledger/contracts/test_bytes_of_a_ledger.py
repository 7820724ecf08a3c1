"""Nothing on the ledger links to a patient or holds what people wrote: every byte of it is searched."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import blake3
import pytest

from hmchain.ledger.contracts.data.datasets import PublishVersion
from support.ledger_bytes import pieces, told
from support.ledger_network import Network

NUMBER, NAME, MAIL = "MRN-4711-0815", "Archibald Quince", "archibald.quince@example.org"
SENTENCE = "The patient of bed seven was lost to follow-up."
PLANTED = (NUMBER, NAME, MAIL, SENTENCE)


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network.found(tmp_path / "ledger")


def _told(network: Network) -> list[tuple[str, str]]:
    network.ledger.close()
    return told(pieces(network.directory), PLANTED)


def test_the_search_finds_a_number_that_is_hashed_into_a_root(network: Network) -> None:
    """It must be able to fail: a steward's program that hashes without a key is seen."""
    root = hashlib.sha256(NUMBER.encode()).digest()
    network.block(network.send.dataset("a", "mri"))
    network.block(network.send("a", PublishVersion("mri", 1, root, 64)))
    assert _told(network) == [(NUMBER, "its sha256")]


def test_the_search_finds_a_name_that_became_a_dataset_s(network: Network) -> None:
    network.block(network.send.dataset("a", "archibald.quince"))
    assert _told(network) == [(NAME, "the text in utf-8")]


@pytest.mark.parametrize(
    "hidden",
    [
        SENTENCE.upper().encode("utf-16-le"),
        b"so" + hashlib.md5(MAIL.encode()).hexdigest().encode(),
        blake3.blake3(NAME.lower().encode()).digest(),
        base64.b64encode(b"dear " + NAME.encode() + b"!"),
        base64.b64encode(b"1" + hashlib.blake2b(NUMBER.encode()).digest()),
        hashlib.sha512(f"{NUMBER}\n".encode()).hexdigest().upper().encode(),
        NAME.encode()[::-1],
    ],
)
def test_the_search_knows_the_common_forms(hidden: bytes) -> None:
    assert told([bytes(1000) + hidden + bytes(1000)], PLANTED)
    assert not told([bytes(1000)], PLANTED)
