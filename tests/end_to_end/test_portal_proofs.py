"""Inclusion proofs that a real browser checks, held against this program's own check of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page

from hmchain.application.node.reading import open_ledger
from hmchain.application.site.run import RunFolder
from hmchain.errors import HMChainError
from hmchain.interfaces.portal import app
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.engines.cometbft import light
from hmchain.ledger.engines.cometbft.archive import Archive
from hmchain.ledger.readers import proof_files
from hmchain.ledger.readers.proof_files import InclusionFile, OutcomeFile, ProofFile

__all__ = ["run_directory"]
from support.abci_chain import Chain
from support.abci_headers import headers_of
from support.api_client import site_of
from support.browser import needs_browser
from support.chromium import chromium, served, watched
from support.finished_run import run_directory
from support.portal_scripts import ask

pytestmark = [pytest.mark.process, pytest.mark.network, needs_browser]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def origin(run_directory: Path) -> Iterator[str]:
    with site_of(run_directory) as site, served(app.create(site)) as found:
        yield found


@pytest.fixture
def page(browser: Browser, origin: str) -> Iterator[Page]:
    """A page whose scripts nothing complained of."""
    with watched(browser, base_url=origin) as (found, complaints):
        found.goto("/keys")
        yield found
        assert not complaints, complaints


CHECK = """const { check } = await load("verify.js");
    const forms = await (await fetch(names["proofs.json"])).json(), found = [];
    for (const [text, anchor] of given[0]) {
        const one = await check(text, anchor, forms, () => {}).catch((error) => error.message);
        found.push(one);
    }
    return found;"""


def embedded_proof(run: Path) -> tuple[ProofFile, bytes, bytes]:
    """A proof, the digest of its genesis, the hash of the header that it rests on."""
    with open_ledger(RunFolder(run).ledger) as ledger:
        digest = next(line.digest for block in ledger.blocks(1, 30) for line in block.transactions)
        found = ledger.proof(digest.hex())
    assert isinstance(found, InclusionFile)
    return found, found.genesis.digest, found.proof.header.hash


def comet_proof(folder: Path) -> tuple[ProofFile, bytes, bytes]:
    chain = Chain.found(folder)
    for number in range(4):
        chain.decide(chain.request(*[chain.send.dataset("abcd"[number], f"d{number}-{n}") for n in range(3)]))
    headers = headers_of(chain)
    with closing(BlockStore(folder / "blocks.db", read_only=True)) as store:
        stored = store.get(3)
        assert stored is not None
        proof = Archive(headers).prove(store, stored.result.receipts[1].transaction)
    chain.app.close()
    return OutcomeFile(chain.founding, proof), chain.founding.digest, light.header_hash(proof.following.header)


@pytest.mark.parametrize("engine", ["embedded", "cometbft"])
def test_a_browser_checks_a_proof_as_this_program_does(
    page: Page, run_directory: Path, tmp_path: Path, engine: str
) -> None:
    file, genesis, header = embedded_proof(run_directory) if engine == "embedded" else comet_proof(tmp_path)
    text, known = proof_files.to_json(file).decode(), proof_files.proven(file)
    for found in ask(page, CHECK, [(text, genesis.hex()), (text, header.hex())]):
        assert (found["transaction"], found["kind"], found["code"], found["height"], found["time"]) == (
            known.transaction.digest.hex(), known.transaction.kind, known.transaction.code, known.height, known.time_ms
        )  # fmt: skip
    assert ask(page, CHECK, [(text, bytes(32).hex()), (text, ""), ("{}", genesis.hex())]) == [
        "otherGenesis", "badAnchor", "noProof"
    ]  # fmt: skip


@pytest.mark.parametrize("engine", ["embedded", "cometbft"])
def test_no_altered_proof_holds_in_a_browser(page: Page, run_directory: Path, tmp_path: Path, engine: str) -> None:
    """Whatever is put in the place of whatever stands there: what this program refuses, a browser does."""
    file, genesis, header = embedded_proof(run_directory) if engine == "embedded" else comet_proof(tmp_path)
    told, cases, wrong = json.loads(proof_files.to_json(file)), [], 0
    for container, key in places(told):
        was = container[key]
        for other in altered(was):
            container[key] = other
            cases += [(json.dumps(told), anchor) for anchor in (genesis.hex(), header.hex())]
        container[key] = was
    for (text, anchor), found in zip(cases, ask(page, CHECK, cases), strict=True):
        if is_refused(text, bytes.fromhex(anchor), genesis):
            wrong += 1
            assert isinstance(found, str), (text, anchor, found)
    assert wrong > 50


def test_a_page_proves_its_own_transaction_and_says_what_was_signed(page: Page, run_directory: Path) -> None:
    with open_ledger(RunFolder(run_directory).ledger) as ledger:
        lines = [line for block in ledger.blocks(1, 30) for line in block.transactions]
        one, other = [line for line in lines if line.kind == "register_dataset"][:2]
        genesis, proof = ledger.genesis.digest.hex(), proof_files.to_json(ledger.proof(other.digest.hex())).decode()
        body = ledger.transaction(one.digest.hex()).body
    assert isinstance(body, RegisterDataset)
    page.goto(f"/auditor/transactions/{one.digest.hex()}")
    page.fill("#anchor", genesis)
    page.click("#check button")
    page.wait_for_selector("#checked .badge.good")
    assert body.name in page.inner_text("#checked dl")
    page.route("**/proof.json", lambda route: route.fulfill(body=proof, content_type="application/json"))
    page.click("#check button")
    page.wait_for_selector("#checked .badge.bad")
    assert other.digest.hex() in page.inner_text("#checked li.bad") and not page.is_visible("#checked dl")


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each text and number of a proof, as the container and the key that it stands under."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        if isinstance(value[key], dict | list):
            yield from places(value[key])
        else:
            yield value, key


def altered(was: Any) -> list[Any]:
    if isinstance(was, str):
        return [was[:-6] + ("QUFB" + was[-2:] if was[-6:-2] != "QUFB" else "QUJC" + was[-2:]), "zz", 7]
    return [was + 1, -1] if isinstance(was, int) else ["QUFB"]


def is_refused(text: str, anchor: bytes, genesis: bytes) -> bool:
    """Whether a proof that has the form of one does not hold."""
    try:
        file: ProofFile = msgspec.json.decode(text, type=ProofFile)
        proof_files.verify(file, "it", anchor if anchor == genesis else None, None if anchor == genesis else anchor)
    except HMChainError:
        return True
    except ValueError:
        return False
    return False


def test_an_auditor_checks_a_proof_on_its_page(page: Page, run_directory: Path) -> None:
    file, digest, _ = embedded_proof(run_directory)
    genesis, proven = digest.hex(), proof_files.proven(file).transaction.digest.hex()
    page.goto(f"/auditor/transactions/{proven}")
    for anchor, verdict in ((genesis, "The proof holds"), ("00" * 32, "The proof does not hold")):
        page.fill("#anchor", anchor)
        page.click("#check button")
        page.wait_for_selector(f".verdict:has-text('{verdict}')")
    page.reload()
    assert page.input_value("#anchor") == genesis, "the anchor that held is remembered"
