"""The record of what a node's validator has signed: kept, or where it is lost, begun anew above a safe height."""

from __future__ import annotations

from hmchain.application.site.node import NodeFolder
from hmchain.errors import InputError
from hmchain.ledger.engines.cometbft.damage import (
    DATA,
    SIGNED,
    SignedRecordError,
    check_signed,
    signed_nothing_above,
    signed_record,
)

HEIGHT_MAX = 10**12
"""No chain comes so far: ten blocks a second for three thousand years. A slip would silence a validator for good."""


class SignsAboveError(InputError):
    """A height was given below one that the node knows to have signed, or one that cannot be."""

    code = "signs_above"


def record(folder: NodeFolder, signs_above: int | None) -> bytes:
    """The record to go on with: the one that is there, or one with which nothing is signed up to `signs_above`.

    Raises `SignedRecordError` if that height is needed, and `SignsAboveError` if the record that is there says more.
    """
    if signs_above is None:
        check_signed(folder.engine)
        return (folder.engine / DATA / SIGNED).read_bytes()
    if not 0 <= signs_above <= HEIGHT_MAX:
        raise SignsAboveError(f"{signs_above} is no height", "give the height that the other members are at, plus ten")
    try:
        known = signed_record(folder.engine)
    except SignedRecordError:
        return signed_nothing_above(signs_above)
    signed = known.height if known.step else known.height - 1
    if signs_above < signed:
        raise SignsAboveError(f"this node knows what it has signed, up to block {signed}", "leave --signs-above out")
    return signed_nothing_above(signs_above)
