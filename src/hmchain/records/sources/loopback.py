"""Which addresses are this machine's alone: what is sent there in clear crosses no network."""

from __future__ import annotations

import ipaddress

PLAIN_HINT = "use https; --insecure-http takes http in a network where nobody else listens"
"""The way out where another machine would send in clear."""


def is_loopback(host: str) -> bool:
    """Whether a host, as it stands in an address, is this machine by its loopback interface."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
