"""The evidence on a hospital's own table: held against the rules of statistical disclosure control, cell by cell."""

from __future__ import annotations

import time
from pathlib import Path

from hmchain.application.consent.usable import UseKind, usable_now
from hmchain.application.disclosure import gathering, thresholds
from hmchain.application.disclosure.evidence import Disclosure, Evidence, Kind
from hmchain.application.disclosure.lineage import lineage_of_table
from hmchain.application.releases import table_file
from hmchain.application.releases.table_file import Table, TableFileError
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import HospitalFolder, read_records
from hmchain.application.site.keyring import local_key
from hmchain.clock import now_ms
from hmchain.ledger.contracts.learning import counting
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.releases import ReleaseView

UNSAID = "who gave how much to its values is not known: name a file with `--contributions`"


def kept_table(place: HospitalFolder, view: ReleaseView) -> Table:
    """The table that is to leave, as it lies in the hospital's folder. Raises `TableFileError` if another one does."""
    path = place.table(view.release).table
    found = table_file.load(path)
    if found.artefact != view.artefact:
        raise TableFileError(f"{path} is not what is to leave", "ask for it anew under another name")
    return found


def gather_table(
    place: HospitalFolder,
    ledger: LedgerReader,
    view: ReleaseView,
    contributions: Path | None,
    kept: Evidence | None,
    passphrase: str | None,
) -> Evidence:
    """Hold a table against the rules, and leave what is found in its folder.

    `contributions` are what each person gave to its values, for the rules on sums: they are read and not kept, and of
    evidence that was `kept` what they said stays. Raises `TableFileError`, and what keys and vault complain of.
    """
    started, state, name = time.perf_counter(), ledger.verified.state, place.organisation
    table = kept_table(place, view)
    deed = Deed(What.MEASURE, dataset=view.dataset, version=view.version, kind=view.kind)
    with recorded(place.activity, deed), read_records(place, passphrase) as records:
        allowed = usable_now(records, view.dataset, view.version, UseKind.EVIDENCE)
        gone = len(set(records.vault.owners(view.dataset, view.version).values()) - {""} - allowed.subjects)
        rules = thresholds.stricter(thresholds.DEFAULT, counting.people_min(state, name, view.dataset))
        disclosure = _disclosure(table, contributions, rules, kept.disclosure if kept is not None else None)
    found = Evidence(
        kind=Kind.TABLE, study=view.release, artefact=view.artefact.hex(), chain_id=ledger.genesis.chain_id,
        organisation=name, height=state.height, computed_ms=now_ms(), cohort=allowed.stamp.hex(), measured_ms=now_ms(),
        seconds=round(time.perf_counter() - started, 1), software=gathering.software(),
        disclosure=disclosure,
        lineage=lineage_of_table(state, name, view.dataset, view.version, gone),
    )  # fmt: skip
    return gathering.leave(place.table(view.release), found, kept, local_key(place.keys, passphrase))


def _disclosure(
    table: Table, contributions: Path | None, rules: thresholds.Rules, kept: Disclosure | None
) -> Disclosure:
    given = table_file.contributions(contributions, table) if contributions is not None else None
    unsaid = UNSAID if table.has_values and given is None else ""
    found = thresholds.check_table(table_file.checked(table, given), rules, unsaid=unsaid)
    if kept is None:
        return found
    if given is None:  # what they said of this very table stays
        found = thresholds.with_sums_of(found, kept)
    return thresholds.let_pass(found, thresholds.still_passing(kept.broken, found.broken))
