"""What cannot be read, told apart from what does not hold: nobody is accused for a missing file or a closed folder."""

from __future__ import annotations

from hmchain.errors import LedgerError


class UnreadableError(LedgerError):
    """A file of the ledger is missing, in use, or may not be opened: nothing is known of what is in it."""

    code = "unreadable"
