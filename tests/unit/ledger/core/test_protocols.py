"""The rules of each protocol: which transactions they know."""

from __future__ import annotations

import pytest

from hmchain.canonical import Record, encode
from hmchain.ledger import contracts
from hmchain.ledger.contracts.data.datasets import WithdrawVersion
from hmchain.ledger.contracts.members.standings import Unjail
from hmchain.ledger.protocols import KNOWN, Rules
from hmchain.ledger.transactions import Refusal


class Praise(Record, frozen=True, tag="praise"):
    """A transaction of a protocol to come."""

    of: str


def test_a_new_transaction_is_malformed_under_the_rules_before_it() -> None:
    later = Rules(max(KNOWN) + 1, {**contracts.HANDLERS, Praise: lambda context, body: None})
    assert later.decode_body(encode(Praise("north"))) == Praise("north")
    assert later.decode_body(encode(Unjail())) == Unjail()
    with pytest.raises(Refusal, match="malformed"):
        KNOWN[max(KNOWN)].decode_body(encode(Praise("north")))


def test_every_body_has_a_tag_of_its_own() -> None:
    tags = [str(body.__struct_config__.tag) for body in contracts.HANDLERS]
    assert len(set(tags)) == len(tags)
    assert all(KNOWN[number].decode_body(encode(Unjail())) == Unjail() for number in KNOWN)


@pytest.mark.parametrize("number", KNOWN)
def test_a_second_encoding_of_a_body_is_refused_and_breaks_no_validator(number: int) -> None:
    """It once ended every node that executed it: a union of bodies has no name to put into the error."""
    whole = encode(WithdrawVersion("brain", 1))
    with pytest.raises(Refusal, match="malformed"):
        KNOWN[number].decode_body(whole[:-1] + b"\xcc\x01")
    with pytest.raises(Refusal, match="malformed"):
        contracts.decode_body(whole[:-1] + b"\xcc\x01")
