"""Whose certificates servers may show: read once a process, since that takes as long as many requests."""

from __future__ import annotations

import ssl
from functools import cache


@cache
def trusted_here() -> ssl.SSLContext:
    """Those of the authorities that this system trusts. Clients of several threads may share it; nobody changes it."""
    return ssl.create_default_context()
