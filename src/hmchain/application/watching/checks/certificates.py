"""Certificates: for how long they are good, and for which names."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from hmchain import files
from hmchain.application.watching.findings import Finding, Subject, fail, ok, warn
from hmchain.application.watching.place import Place
from hmchain.clock import DAY_MS, now_ms, utc

_SUBJECT = Subject.CERTIFICATES
DAYS_FEW = 21
_CONNECT_SECONDS = 5.0


def of_store(place: Place) -> Iterator[Finding]:
    """The certificate of the S3 server that members share, as this machine is shown it."""
    endpoint = urlsplit(place.settings.objects_endpoint if place.settings else "")
    if endpoint.scheme != "https" or not endpoint.hostname:
        return
    port, context = endpoint.port or 443, ssl.create_default_context()
    server = f"{endpoint.hostname}:{port}"
    try:
        with (
            socket.create_connection((endpoint.hostname, port), timeout=_CONNECT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=endpoint.hostname) as secured,
        ):
            shown = secured.getpeercert(binary_form=True)
    except ssl.SSLCertVerificationError as error:
        words = f"the certificate of {server} is not good here: {error.verify_message}"
        yield fail(_SUBJECT, "store", words, "have its operator renew it, or let this machine trust its authority")
        return
    except OSError:
        yield fail(_SUBJECT, "store", f"{server} does not answer", "see that it runs and can be reached")
        return
    assert shown is not None  # who is not shown one does not come so far
    yield _lasting("store", f"the certificate of {server}", x509.load_der_x509_certificate(shown))


def of_file(certificate: Path, key: Path, host: str) -> Iterator[Finding]:
    """The certificate that a server of ours shows, in a file, and whether its key fits it."""
    what = f"the certificate {certificate}"
    try:
        found = x509.load_pem_x509_certificates(files.read(certificate))[0]
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ValueError, IndexError):  # ssl.SSLError is an OSError
        words = f"{what} cannot be used with the key {key}"
        yield fail(_SUBJECT, "portal", words, "give a PEM file with the whole chain, and the key that it was made for")
        return
    if not _is_for(found, host):
        words = f"{what} is not for {host}, by which browsers are to reach the portal"
        yield fail(_SUBJECT, "portal.name", words, "have one made for that name, or set origin to a name that it has")
    yield _lasting("portal", what, found)


def _lasting(name: str, what: str, certificate: x509.Certificate) -> Finding:
    ends: datetime = certificate.not_valid_after_utc
    left_ms = int(ends.timestamp() * 1000) - now_ms()
    words = f"{what} is good until {utc(int(ends.timestamp() * 1000))} UTC"
    if left_ms < 0:
        return fail(_SUBJECT, name, f"{what} ran out on {utc(int(ends.timestamp() * 1000))} UTC", "renew it")
    if left_ms < DAYS_FEW * DAY_MS:
        return warn(_SUBJECT, name, words, "renew it before then")
    return ok(_SUBJECT, name, words)


def _is_for(certificate: x509.Certificate, host: str) -> bool:
    """Whether a certificate has this name or address; a star stands for the first word of a name."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    try:
        return ip_address(host.strip("[]")) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        found = [each.lower() for each in names.get_values_for_type(x509.DNSName)]
    return host.lower() in found or f"*.{host.lower().partition('.')[2]}" in found
