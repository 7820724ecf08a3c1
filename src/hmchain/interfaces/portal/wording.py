"""What the scripts of a page say, in the language of the page."""

from __future__ import annotations

import json

import htpy as h

from hmchain.interfaces.portal.texts import say


def words() -> h.Element:
    """The texts of the scripts, for a page that needs any; nobody sees the element itself."""
    return h.div(hidden=True, data_words=json.dumps({**_shared(), **_signing(), **_keys(), **_sign_in(), **_proofs()}))


def _shared() -> dict[str, str]:
    return {
        "working": say("Working …"),
        "unreachable": say("The portal does not answer."),
        "unreachableHint": say("Look whether it runs, then try again: nothing was changed."),
        "network": say("network"),
        "sender": say("signed by the key"),
        "until": say("can be sent until"),
    }


def _signing() -> dict[str, str]:
    return {
        "unreadable": say("This browser cannot read what is to be signed."),
        "signNothing": say("Sign nothing that you cannot read; tell the people of your hospital's node."),
        "differs": say("The page says something else than the bytes that would be signed: {names}."),
        "more": say("more fields"),
        "readHere": say("Read by this browser from the bytes themselves"),
        "noKey": say("The key that this waits for is not in this browser."),
        "yourKeys": say("Your keys"),
        "badSignature": say("That is no signature: 128 hexadecimal digits are needed."),
        "sending": say("Sent; waiting for its block …"),
        "sent": say("Done: in the ledger as transaction {digest}."),
    }


def _keys() -> dict[str, str]:
    return {
        "noKeys": say("There is no key in this browser yet."),
        "kept": say("The key {name} is in this browser. Save its file: without it, the key is lost with this browser."),
        "made": say("in this browser since {day}"),
        "saveFile": say("Save the key file"),
        "saveCard": say("Save the file for an officer"),
        "accept": say("Accept an invitation with it"),
        "forget": say("Forget this key"),
        "forgetSure": say("It goes from this browser for good. Have you saved its file?"),
        "forgetYes": say("Yes, forget it"),
        "shortPassphrase": say("The passphrase is too short: at least 12 letters."),
        "unlikePassphrases": say("The passphrases are not the same."),
        "wrongPassphrase": say("The passphrase does not open this file, or the file was altered."),
        "noKeyFile": say("This is no key file of a signing key."),
        "noStore": say("This browser keeps nothing here; a private window forgets its keys."),
    }


def _sign_in() -> dict[str, str]:
    return {
        "otherOrigin": say("What was to be signed is for another address than this page's. Nothing was signed."),
        "noPasskey": say("The passkey did not answer, or is not one of this portal."),
        "passkeyAdded": say("The passkey is added."),
    }


def _proofs() -> dict[str, str]:
    steps = {
        "holds": say("The proof holds"),
        "fails": say("The proof does not hold"),
        "transaction": say("transaction"),
        "kind": say("kind"),
        "code": say("outcome"),
        "block": say("in block"),
        "time": say("time"),
        "trustedHeader": say("Its header is the one that you trust."),
        "genesis": say("Its genesis has the digest that you gave; its chain is {chain}."),
        "founders": say("{count} of {of} founders signed the block: {names}."),
        "transactionUnder": say("The transaction is under the root in the header of block {height}."),
        "receiptUnder": say("Its outcome, {code}, is under the root of outcomes."),
        "signature": say("The transaction is signed by the key {sender}."),
        "badAnchor": say("Give the genesis digest, or the hash of a header that you trust: 64 hexadecimal digits."),
        "noProof": say("This is no inclusion proof."),
        "malformed": say("It is malformed."),
        "otherGenesis": say("It is of the network with the genesis {genesis}, and not of the one that you gave."),
        "otherChain": say("The header belongs to another chain."),
        "otherBlock": say("The votes are for another block."),
        "otherFollows": say("The following header follows another block."),
        "fewFounders": say("Only {count} of {of} founders signed the block."),
        "transactionNotUnder": say("The transaction is not under the header's root."),
        "receiptNotUnder": say("The outcome is not under the header's root."),
        "otherTransaction": say("It is the proof of another transaction than this page's: {digest}."),
        "otherReceipt": say("The outcome is another transaction's."),
        "malformedTransaction": say("The transaction is malformed, and its outcome does not say so."),
        "unsigned": say("The transaction's signature does not hold, and its outcome does not say so."),
    }
    return {f"proof.{name}": text for name, text in steps.items()}
