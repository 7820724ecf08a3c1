"""The portal's scripts in a real browser: keys, what is signed, and proofs, each held against this program's own."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from msgspec import inspect
from playwright.sync_api import Browser, Page

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.node.meaning import meaning
from hmchain.application.node.reading import open_ledger
from hmchain.application.site.run import RunFolder
from hmchain.canonical import Record, encode
from hmchain.errors import HMChainError
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.signing import ToSign, to_sign
from hmchain.interfaces.portal import app, pages, static
from hmchain.interfaces.portal.page import Page as Content
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.signing import sign_panel
from hmchain.keys import ED25519, PublicKey, SigningKey, load_key, save_key
from hmchain.ledger import contracts
from hmchain.ledger.contracts.members.maintenance import AnnounceMaintenance
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.engines.cometbft import light
from hmchain.ledger.engines.cometbft.archive import Archive
from hmchain.ledger.readers import proof_files
from hmchain.ledger.readers.proof_files import InclusionFile, OutcomeFile, ProofFile
from hmchain.ledger.transactions import Transaction

__all__ = ["run_directory"]
from support.abci_chain import Chain
from support.abci_headers import headers_of
from support.api_client import site_of
from support.chromium import chromium, needs_chromium, served, watched
from support.finished_run import run_directory

pytestmark = [pytest.mark.process, pytest.mark.network, needs_chromium]
PASSPHRASE = "correct horse battery"
ANYBODY = Rule(Operation.VIEW, Scope.PUBLIC)
ASKED: list[ToSign] = []
"""What the page of a signature shows."""
room = Pages()


@room.show("/try/sign", ANYBODY)
def try_sign(call: Call) -> Content:
    return Content("Sign", sign_panel(ASKED[0]))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def origin(run_directory: Path) -> Iterator[str]:
    with site_of(run_directory) as site, served(app.create(site, (*pages.ALL, room))) as found:
        yield found


@pytest.fixture
def page(browser: Browser, origin: str) -> Iterator[Page]:
    """A page whose scripts nothing complained of."""
    with watched(browser, base_url=origin) as (found, complaints):
        found.goto("/keys")
        yield found
        assert not complaints, complaints


def ask(page: Page, script: str, *given: Any) -> Any:
    """What a function of the portal's scripts gives: `script` is its body, `load` imports one of them."""
    names = {name: static.address(name) for name in static.files()}
    whole = f"async ([names, given]) => {{ const load = (name) => import(names[name]); {script} }}"
    return page.evaluate(whole, [names, list(given)])


# -- keys --------------------------------------------------------------------------------------------------------------


def make_key(page: Page, name: str = "anna") -> str:
    """Make a key on the page of keys; its public half in hexadecimal."""
    page.goto("/keys")
    page.fill("#name", name)
    page.fill("#passphrase", PASSPHRASE)
    page.fill("#again", PASSPHRASE)
    page.click("#make button")
    page.wait_for_selector(f".key:has(h3:text-is('{name}'))")
    return str(page.get_attribute(".key", "data-public"))


def saved(page: Page, words: str, place: Path) -> Path:
    with page.expect_download() as download:
        page.click(f".key button:has-text('{words}')")
    download.value.save_as(place)
    place.chmod(0o600)
    return place


def test_a_key_made_here_is_a_key_file_there(page: Page, tmp_path: Path) -> None:
    public = make_key(page)
    key = load_key(SigningKey, saved(page, "Save the key file", tmp_path / "anna.key"), PASSPHRASE)
    assert key.public.raw.hex() == public
    signature = ask(
        page,
        """const ring = await load("keyring.js"), { hex } = await load("bytes.js");
        return hex(await ring.sign(await ring.find(given[0]), new Uint8Array([1, 2, 3])));""",
        public,
    )
    assert bytes.fromhex(signature) == key.sign(bytes([1, 2, 3]))
    kept = ask(
        page,
        """const [key] = await (await load("keyring.js")).all();
        const exported = await crypto.subtle.exportKey("pkcs8", key.privateKey).catch((error) => error.name);
        return [key.privateKey.extractable, exported];""",
    )
    assert kept == [False, "InvalidAccessError"], "no script can read a key"


def take_key(page: Page, key: SigningKey, folder: Path) -> None:
    """Have the browser take a key from its file."""
    save_key(key, folder / "s1.key", PASSPHRASE)
    page.set_input_files("#key-file", folder / "s1.key")
    page.fill("#take-name", "s1")
    page.fill("#take-passphrase", PASSPHRASE)
    page.click("#take button")
    page.wait_for_selector(".key")


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_key_file_of_the_command_line_is_taken(page: Page, tmp_path: Path, passphrase: str | None) -> None:
    key = SigningKey.generate()
    save_key(key, tmp_path / "s1.key", passphrase)
    page.set_input_files("#key-file", tmp_path / "s1.key")
    page.fill("#take-name", "s1")
    for given in ("another passphrase", PASSPHRASE) if passphrase else (PASSPHRASE,):
        page.fill("#take-passphrase", given)
        page.click("#take button")
        page.wait_for_selector("#take .problem" if given != PASSPHRASE else ".key")
    assert page.get_attribute(".key", "data-public") == key.public.raw.hex()
    assert load_key(SigningKey, saved(page, "Save the key file", tmp_path / "out.key"), PASSPHRASE) == key
    page.click(".key summary")
    page.click("text=Yes, forget it")
    page.wait_for_selector("#kept .empty")


def test_what_is_no_key_file_and_a_short_passphrase_are_refused(page: Page, tmp_path: Path) -> None:
    for number, text in enumerate(("", "{}", '{"kind": "secret-256"}', "x" * 5000)):
        (tmp_path / f"{number}.key").write_text(text)
        page.set_input_files("#key-file", tmp_path / f"{number}.key")
        page.fill("#take-name", "s1")
        page.fill("#take-passphrase", PASSPHRASE)
        page.click("#take button")
        page.wait_for_selector("#take .problem")
    page.fill("#name", "anna")
    page.fill("#passphrase", PASSPHRASE)
    page.fill("#again", PASSPHRASE + "!")
    page.click("#make button")
    assert "not the same" in page.inner_text("#make .problem")
    assert "passphrase" not in page.url and page.is_visible("#kept .empty")


def test_scrypt_is_that_of_rfc_7914(page: Page) -> None:
    found = ask(
        page,
        """const { scrypt } = await load("scrypt.js"), { hex, utf8 } = await load("bytes.js");
        const cost = { n: 1024, r: 8, p: 16, bytes: 64 };
        return hex(await scrypt(utf8("password"), utf8("NaCl"), cost));""",
    )
    assert found.startswith("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162")


# -- what is signed ----------------------------------------------------------------------------------------------------


def value_of(kind: type[Record], chance: random.Random) -> Any:
    """A record with anything in its fields."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(raw(inspect.type_info(kind), chance)), type=kind)


def raw(info: Any, chance: random.Random, depth: int = 0) -> Any:
    if isinstance(info, inspect.IntType):
        return chance.choice([0, 1, 127, 128, 255, 256, 65_535, 65_536, 1 << 31, 1 << 32, (1 << 53) + 1, (1 << 63) - 1])
    if isinstance(info, inspect.StrType):
        return chance.choice(["", "north", 'Ü·\u202e\x00\x1f"\\\n<b>', "x" * 40, "🏥" * 20])
    if isinstance(info, inspect.BytesType):
        return chance.randbytes(chance.choice([0, 1, 32, 300]))
    if isinstance(info, inspect.BoolType):
        return chance.random() < 0.5
    if isinstance(info, inspect.NoneType):
        return None
    if isinstance(info, inspect.EnumType):
        return chance.choice(list(info.cls)).value
    if isinstance(info, inspect.VarTupleType):
        return [raw(info.item_type, chance, depth + 1) for _ in range(chance.choice([0, 1, 3, 17]) if depth < 2 else 1)]
    if isinstance(info, inspect.UnionType):
        return raw(chance.choice(info.types), chance, depth)
    if isinstance(info, inspect.Metadata):
        return raw(info.type, chance, depth)
    assert isinstance(info, inspect.StructType), info
    values = [raw(field.type, chance, depth + 1) for field in info.fields]
    return [info.tag, *values] if info.tag else values


def transaction(body: Record, key: SigningKey, expires_ms: int = 1_800_000_000_000) -> bytes:
    return encode(Transaction("net-abcdefgh", ED25519, key.public.raw, bytes(range(16)), expires_ms, encode(body)))


READ = """const { read } = await load("transaction.js"), { unhex } = await load("bytes.js");
    const forms = await (await fetch(names["bodies.json"])).json();
    const one = (text) => { try { return read(unhex(text), forms); } catch (error) { return error.message; } };
    return given[0].map(one);"""


def test_a_browser_reads_every_kind_of_transaction_as_this_program_does(page: Page) -> None:
    chance, key = random.Random(15), SigningKey.generate()
    messages = [transaction(value_of(kind, chance), key) for kind in get_args(contracts.Body) for _ in range(4)]
    for message, found in zip(messages, ask(page, READ, [each.hex() for each in messages]), strict=True):
        known = meaning(message)
        assert found["fields"] == [list(field) for field in known.fields]
        assert (found["chain"], found["sender"], found["expires"]) == (
            known.chain_id, known.sender.hex(), known.expires_ms
        )  # fmt: skip


def test_bytes_that_are_not_the_one_encoding_are_not_read(page: Page) -> None:
    message = transaction(AnnounceMaintenance(5, 7), SigningKey.generate())
    body = encode(AnnounceMaintenance(5, 7))
    wide = message.replace(body[-2:], b"\xcc\x05\x07").replace(bytes([0xC4, len(body)]), bytes([0xC4, len(body) + 1]))
    assert len(wide) == len(message) + 1
    others = [
        message[:-1], message + b"\x00", wide, b"", b"\xc1", b"\x96" + message[1:-1], b"\x81\xa1a\x01",
        b"\xdc\x00\x06" + message[1:], message.replace(b"announce_", b"denounce_"), b"\x91" * 3000,
        message.replace(ED25519.encode(), b"ed25518"), message.replace(b"net-", b"\xff\xfeet"), b"\xdd\xff\xff\xff\xff",
    ]  # fmt: skip
    found = ask(page, READ, [each.hex() for each in others])
    assert all(isinstance(each, str) for each in found), found


def panel_shown(page: Page, told: ToSign) -> None:
    """Show a page that asks for a signature."""
    ASKED[:] = [told]
    page.goto("/try/sign")


def test_a_transaction_is_read_signed_and_sent(page: Page, tmp_path: Path) -> None:
    take_key(page, key := SigningKey.generate(), tmp_path)
    message, sent = transaction(AnnounceMaintenance(5, 7), key), []
    page.route("**/v1/transactions", lambda route: (sent.append(route.request.post_data_json), route.fulfill(
        json={"digest": "ab" * 32, "words": "x"})))  # fmt: skip
    panel_shown(page, to_sign(message))
    page.wait_for_selector("#sign:visible")
    assert "announce_maintenance" in page.inner_text("#read") and key.public.raw.hex() in page.inner_text("#read")
    page.click("#sign")
    page.wait_for_selector("#signed:has-text('abababababababab')")
    (found,) = sent
    assert found["message"] == message.hex() and key.public.verify(bytes.fromhex(found["signature"]), message)


def test_all_that_one_deed_takes_is_signed_and_sent_in_order(page: Page, tmp_path: Path) -> None:
    take_key(page, key := SigningKey.generate(), tmp_path)
    messages = [transaction(AnnounceMaintenance(number, 7), key) for number in range(3)]
    sent: list[Any] = []
    page.route("**/v1/transactions", lambda route: (sent.append(route.request.post_data_json), route.fulfill(
        json={"digest": "ab" * 32, "words": "x"})))  # fmt: skip
    panel_shown(page, to_sign(*messages))
    page.click("#sign")
    page.wait_for_selector("#signed:has-text('abababababababab')")
    assert [each["message"] for each in sent] == [message.hex() for message in messages]
    assert all(key.public.verify(bytes.fromhex(each["signature"]), bytes.fromhex(each["message"])) for each in sent)
    panel_shown(
        page, dataclasses.replace(to_sign(*messages), more=(dataclasses.replace(to_sign(messages[1]), fields=()),))
    )
    page.wait_for_selector("#read .problem")
    assert not page.is_visible("#sign"), "a lie about one of them is enough"


@pytest.mark.parametrize("lie", ["chain_id", "sender", "expires_ms", "fields", "less", "message"])
def test_nothing_is_signed_that_the_page_says_otherwise(page: Page, lie: str) -> None:
    public = make_key(page)
    key = PublicKey(ED25519, bytes.fromhex(public))
    message = encode(Transaction("net", ED25519, key.raw, bytes(16), 9, encode(AnnounceMaintenance(5, 7))))
    told = to_sign(message)
    lies = {
        "chain_id": {"chain_id": "other"}, "sender": {"sender": bytes(32)}, "expires_ms": {"expires_ms": 10},
        "fields": {"fields": (*told.fields[:-1], ("length_ms", "8"))}, "less": {"fields": (*told.fields, ("x", "y"))},
        "message": {"message": message[:-1]},
    }  # fmt: skip
    panel_shown(page, dataclasses.replace(told, **lies[lie]))
    page.wait_for_selector("#read .problem")
    assert not page.is_visible("#sign")


def test_a_signature_made_elsewhere_is_sent(page: Page) -> None:
    sent: list[Any] = []
    page.route("**/v1/transactions", lambda route: (sent.append(route.request.post_data_json), route.fulfill(
        status=409, content_type="application/problem+json", json={"code": "refused", "detail": "refused: <b>late</b>",
        "hint": "ask again"})))  # fmt: skip
    panel_shown(page, to_sign(transaction(AnnounceMaintenance(5, 7), SigningKey.generate())))
    page.wait_for_selector("#read a")
    assert not page.is_visible("#sign")
    page.click("summary:has-text('My key is elsewhere')")
    page.fill("#signature", "zz")
    page.click("#send-signature")
    page.wait_for_selector("#signed .problem")
    page.fill("#signature", "AB" * 64)
    page.click("#send-signature")
    page.wait_for_selector("#signed:has-text('refused: <b>late</b>')")
    assert sent[0]["signature"] == "ab" * 64


# -- proofs ------------------------------------------------------------------------------------------------------------

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
