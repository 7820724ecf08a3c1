"""Client of CometBFT's RPC (JSON-RPC 2.0 over HTTP), with failover between the nodes it is given.

Nothing that a node says of itself is believed without need: what it calls its content, how long it takes, how much it
sends. Transactions have the name that CometBFT gives them (SHA-256 of the bytes), so sending one again is harmless.
"""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from hmchain import decoding, merkle
from hmchain.clock import Backoff
from hmchain.errors import LedgerError
from hmchain.ledger.engines.cometbft.answers import (
    BlockAnswer,
    BlockResults,
    Broadcast,
    HeaderJson,
    Headers,
    IncludedTransaction,
    Int,
    MerkleProof,
    NetInfo,
    QueryAnswer,
    Status,
    TxProof,
    ValidatorEntry,
    ValidatorPage,
)
from hmchain.ledger.engines.cometbft.light import LightProof, SignedHeader
from hmchain.ledger.engines.ledger import NotIncludedError
from hmchain.tls import trusted_here

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

ANSWER_BYTES_MAX = 64 << 20
"""CometBFT's largest block is 100 MB in theory; ours are a few MB."""
_VALIDATORS_A_PAGE = 100
_NOT_YET = ("could not find results for height", "must be less than or equal to the current blockchain height")
"""CometBFT's answer for a height that it has not come to, or whose results are being written."""
_POLL_SECONDS = (0.01, 0.25)
"""Between two looks for a transaction: doubled from the first to the second."""


class NoEndpointError(LedgerError):
    """No node answers as a CometBFT node does."""

    code = "no_endpoint"


class RpcError(LedgerError):
    """A node understood the call and cannot answer it."""

    code = "rpc"


class NotYetError(RpcError):
    """No node has the block that is asked for, or its results, yet."""

    code = "not_yet"


class _Lying(Exception):
    """An endpoint's answer is no answer: another shape, another question's, too large or too slow."""


class _Problem(msgspec.Struct, frozen=True):
    code: int
    message: str = ""
    data: str = ""


class _Envelope(msgspec.Struct, frozen=True):
    jsonrpc: str
    id: int
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Problem | None = None


_Batch = list[_Envelope]


class _Commit(msgspec.Struct, frozen=True):
    signed_header: SignedHeader


class _Waiting(msgspec.Struct, frozen=True):
    total: Int


class _QueryEnvelope(msgspec.Struct, frozen=True):
    response: QueryAnswer


# -- the client --------------------------------------------------------------------------------------------------------


@dataclass
class _Endpoint:
    url: str
    silent_until: float = 0.0
    """Monotonic time before which others are asked first."""


class RpcClient:
    """Calls the first of `endpoints` (URLs such as `http://127.0.0.1:26657`) that answers.

    One that fails is asked last for `shun_seconds`. A call that an endpoint understood and refused is not repeated
    elsewhere, unless that endpoint is only behind. May be used from several threads.

    Raises `NoEndpointError` where all fail, `RpcError` where one refuses, and `NotYetError` where no endpoint that
    answers has come so far.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        *,
        timeout_seconds: float = 5.0,
        shun_seconds: float = 10.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if not endpoints:
            raise NoEndpointError("no node is named", "name at least one, such as http://127.0.0.1:26657")
        self._endpoints = [_Endpoint(url.rstrip("/")) for url in endpoints]
        self._timeout, self._shun = timeout_seconds, shun_seconds
        import httpx  # an extra: who reads a ledger that lies here needs none

        self._http = httpx.Client(
            timeout=timeout_seconds, verify=trusted_here(), transport=transport, follow_redirects=False, trust_env=False
        )
        self._numbers = itertools.count(1)

    @property
    def endpoints(self) -> list[str]:
        """The nodes in the order in which they are asked now."""
        now = time.monotonic()
        return [e.url for e in sorted(self._endpoints, key=lambda e: max(0.0, e.silent_until - now))]

    def shun(self, url: str) -> None:
        """Ask a node last for a while."""
        for endpoint in self._endpoints:
            if endpoint.url == url:
                endpoint.silent_until = time.monotonic() + self._shun

    def call(self, method: str, kind: type[T], **parameters: Any) -> T:
        """One call; `kind` is the type of its result."""
        return self._of_first(method, lambda url: self._ask(url, method, kind, [parameters]))[0]

    def call_each(self, method: str, kind: type[T], each: Sequence[Mapping[str, Any]]) -> list[T]:
        """Several calls of one method, in one message to one node."""
        return self._of_first(method, lambda url: self._ask(url, method, kind, each))

    def _of_first(self, method: str, ask: Callable[[str], list[T]]) -> list[T]:
        import httpx

        troubles: list[str] = []
        behind: NotYetError | None = None
        for url in self.endpoints:
            try:
                return ask(url)
            except NotYetError as error:
                behind = error
            except (httpx.HTTPError, httpx.InvalidURL, _Lying) as error:
                troubles.append(f"{url}: {_brief(error)}")
                self.shun(url)
        if behind is not None:
            raise behind
        raise NoEndpointError(
            f"no node answers {method} ({'; '.join(troubles)})", "start one with `hmchain node start`, or name others"
        )

    def _ask(self, url: str, method: str, kind: type[T], each: Sequence[Mapping[str, Any]]) -> list[T]:
        questions = [
            {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": parameters} for parameters in each
        ]
        alone = len(questions) == 1  # CometBFT answers one call without a list, however it is asked
        body = self._post(url, msgspec.json.encode(questions[0] if alone else questions))
        try:
            answers = [decoding.from_json(body, _Envelope)] if alone else decoding.from_json(body, _Batch)
            if [answer.id for answer in answers] != [question["id"] for question in questions]:
                raise _Lying("it answers another call")
            for answer in answers:
                self._require_result(url, method, answer)
            return [decoding.from_json(answer.result, kind, strict=False) for answer in answers]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _Lying("what it sends is no answer of a CometBFT node") from None

    def _require_result(self, url: str, method: str, answer: _Envelope) -> None:
        if answer.error is None:
            return
        reason = answer.error.data or answer.error.message
        what = f"{url} cannot answer {method}: {reason}"[:400]
        if any(told in reason for told in _NOT_YET):
            raise NotYetError(what, "wait until a node has come so far")
        raise RpcError(what, "see the node's log")

    def _post(self, url: str, content: bytes) -> bytes:
        """The body of the answer, read up to a size and a time that no endpoint can stretch."""
        deadline = time.monotonic() + self._timeout
        body = bytearray()
        headers = {"content-type": "application/json"}
        with self._http.stream("POST", f"{url}/", content=content, headers=headers) as answer:
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > ANSWER_BYTES_MAX:
                    raise _Lying("its answer is too large")
                if time.monotonic() > deadline:
                    raise _Lying("it is too slow")
        # CometBFT sends its JSON-RPC errors with status 500; any other page is told by its body.
        return bytes(body)

    # -- transactions --------------------------------------------------------------------------------------------------

    def broadcast(self, wire: bytes) -> Broadcast:
        """Hand a transaction to the mempool (`broadcast_tx_sync`); one that is there already counts as taken."""
        try:
            return self.call("broadcast_tx_sync", Broadcast, tx=_base64(wire))
        except RpcError as error:
            if "already exists in cache" not in error.what:
                raise
            return Broadcast(hash=sha256(wire).hexdigest().upper())

    def find(self, digest: bytes, *, prove: bool = False) -> IncludedTransaction | None:
        """A transaction that is in a block, by its digest; None if it is in none."""
        try:
            return self.call("tx", IncludedTransaction, hash=_base64(digest), prove=prove)
        except RpcError as error:
            if "not found" not in error.what:
                raise
        return self._unindexed(digest)

    def _unindexed(self, digest: bytes) -> IncludedTransaction | None:
        """A transaction that the application knows to be in a block, and CometBFT's index does not.

        CometBFT indexes a block after its state is stored, so one in whose middle it died is never indexed.
        """
        place = self.query("receipt", digest)
        if place.code or not place.value:
            return None
        txs = self.block(place.height).transactions
        results = self.block_results(place.height).txs_results or ()
        leaves = [sha256(tx).digest() for tx in txs]
        if digest not in leaves[: len(results)]:
            return None
        index = leaves.index(digest)
        path = MerkleProof(len(leaves), index, tuple(merkle.path(leaves, index)))
        proof = TxProof(merkle.root(leaves).hex().upper(), txs[index], path)
        return IncludedTransaction(digest.hex().upper(), place.height, index, results[index], txs[index], proof)

    def wait_for(
        self, digest: bytes, *, seconds: float = 30.0, sleep: Callable[[float], None] = time.sleep
    ) -> IncludedTransaction:
        """Wait until a transaction is in a block. Raises `NotIncludedError`."""
        deadline, polling = time.monotonic() + seconds, Backoff(*_POLL_SECONDS)
        while time.monotonic() < deadline:
            found = self.find(digest)
            if found is not None:
                return found
            sleep(polling.pause())
        raise NotIncludedError(
            f"transaction {digest.hex()} is in no block after {seconds:g} s",
            "`hmchain network status` shows whether two thirds of the voting power are up; wait until it has expired "
            "before you send another",
        )

    def prove(self, digest: bytes) -> LightProof:
        """The proof that a transaction is in a block, to be checked with `light.verify`.

        Raises `NotIncludedError` if it is in none.
        """
        found = self.find(digest, prove=True)
        if found is None or found.proof is None or sha256(found.tx).digest() != digest:
            raise NotIncludedError(f"transaction {digest.hex()} is in no block", "check the digest, or wait for it")
        return LightProof(self.signed_header(found.height), found.tx, found.proof.proof)

    # -- reading -------------------------------------------------------------------------------------------------------

    def query(self, path: str, data: bytes = b"") -> QueryAnswer:
        """Ask the application."""
        return self.call("abci_query", _QueryEnvelope, path=path, data=data.hex()).response

    def status(self) -> Status:
        """Who the node is and how far it is."""
        return self.call("status", Status)

    def peers(self) -> NetInfo:
        """To whom the node is connected."""
        return self.call("net_info", NetInfo)

    def waiting(self) -> int:
        """The number of transactions that are in no block yet."""
        return self.call("num_unconfirmed_txs", _Waiting).total

    def validators(self, height: int | None = None) -> tuple[ValidatorEntry, ...]:
        """The validator set of a height (default: the last), all pages of it."""
        where = {} if height is None else {"height": str(height)}
        found: list[ValidatorEntry] = []
        while True:
            page_number = str(1 + len(found) // _VALIDATORS_A_PAGE)
            page = self.call("validators", ValidatorPage, page=page_number, per_page=str(_VALIDATORS_A_PAGE), **where)
            where = {"height": str(page.block_height)}
            found += page.validators
            if len(found) >= page.total or not page.validators:
                return tuple(found)

    def block(self, height: int | None = None) -> BlockAnswer:
        """A block (default: the last)."""
        return self.call("block", BlockAnswer, **_at(height))

    def headers(self, count: int) -> list[HeaderJson]:
        """The headers of the last `count` blocks at most, the last one first."""
        found: list[HeaderJson] = []
        top: int | None = None
        while len(found) < count:
            # CometBFT answers with 20 at once, and with the last ones where it is told no height.
            where = {} if top is None else {"minHeight": str(max(1, top - 19)), "maxHeight": str(top)}
            page = self.call("blockchain", Headers, **where).block_metas
            found += [meta.header for meta in page]
            if not page or page[-1].header.height <= 1:
                break
            top = page[-1].header.height - 1
        return found[:count]

    def signed_header(self, height: int | None = None) -> SignedHeader:
        """A header (default: the last) with the votes that decided it."""
        return self.call("commit", _Commit, **_at(height)).signed_header

    def signed_headers(self, heights: Sequence[int]) -> list[SignedHeader]:
        """Several headers with the votes that decided them."""
        return [found.signed_header for found in self.call_each("commit", _Commit, [_at(each) for each in heights])]

    def block_results(self, height: int | None = None) -> BlockResults:
        """The outcome of a block (default: the last)."""
        return self.call("block_results", BlockResults, **_at(height))

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> RpcClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _at(height: int | None) -> dict[str, str]:
    return {} if height is None else {"height": str(height)}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _brief(error: Exception) -> str:
    import httpx

    if isinstance(error, _Lying):
        return str(error)
    if isinstance(error, httpx.TimeoutException):
        return "it is too slow"
    return "it refuses connections" if isinstance(error, httpx.ConnectError) else type(error).__name__
