"""Send the DICOM records of a version to a PACS or an archive, de-identified but decrypted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from hmchain.application.consent.usable import UseKind, usable_now
from hmchain.application.data.exports.job import ExportFormError
from hmchain.application.data.exports.objects import MEDIA_TYPE
from hmchain.application.data.received import Act, require_allowed
from hmchain.application.data.registered import NothingUsableError, require_as_registered, require_still_usable
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import Records
from hmchain.plain import Progress, tell
from hmchain.records.catalogue import Version
from hmchain.records.destinations.destination import Destination, ObjectRefusedError

ASKED_EVERY = 1_000
"""After so many objects it is asked again whether all of them may be sent."""


@dataclass(frozen=True)
class SentRecords:
    """What a destination took, and what it did not."""

    dataset: str
    version: int
    sent: int
    refused: Mapping[str, int]
    """Objects that it does not take, by what it says of them."""
    notes: tuple[str, ...] = ()
    """Sentences on what was not sent since it may not be used."""


def send(records: Records, version: Version, to: Destination, progress: Progress | None = None) -> SentRecords:
    """Send all objects of a version; whoever has one already gets the same again.

    Raises `ExportFormError` if it holds none, `ChangedDatasetError` if it is not what it was registered as,
    `ConsentsChangedError` if fewer may be sent than when it was begun, `DestinationError`, or an error of the vault.
    """
    require_allowed(records, version.dataset, Act.EXPORT)
    require_as_registered(records, version)
    found = list(records.catalogue.records(version.dataset, version.number))
    of = usable_now(records, version.dataset, version.number, UseKind.EXPORT)
    objects = [entry for entry in found if entry.media_type == MEDIA_TYPE]
    entries = [entry for entry in objects if entry.record in of.records]
    if objects and not entries:
        raise NothingUsableError.of(version, of)
    if not entries:
        what = f"dataset {version.dataset} version {version.number} holds no DICOM objects"
        raise ExportFormError(what, f"write it into a folder: `hmchain data export {version.dataset} --output DIR`")
    about = Deed(What.SEND, dataset=version.dataset, version=version.number, where="server")
    sent, refused, size = 0, Counter[str](), 0
    hint = "send it again, without them; what went before stays at the destination, which may delete it"
    with recorded(records.folder.activity, about) as deed:
        for done, entry in enumerate(entries, 1):
            if done % ASKED_EVERY == 0:
                require_still_usable(records, of, UseKind.EXPORT, hint)
            data = b"".join(records.vault.get_stream(version.dataset, version.number, entry.record))
            try:
                to.send(data)
                sent, size = sent + 1, size + len(data)
            except ObjectRefusedError as error:
                refused[error.what] += 1
            deed.add(records=sent, bytes=size)
            tell(progress, done, len(entries))
        require_still_usable(records, of, UseKind.EXPORT, hint)
    return SentRecords(version.dataset, version.number, sent, dict(refused), of.sentences)
