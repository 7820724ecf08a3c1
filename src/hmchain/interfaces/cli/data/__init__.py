"""`hmchain data`: a steward's commands, from the hospital's systems to datasets on the ledger."""

from __future__ import annotations

import typer

from hmchain.interfaces.cli.data import (
    datasets,
    erase,
    extract,
    log,
    patients,
    person,
    prepare,
    quarantine,
    register,
    selftest,
    send,
    vault,
)

app = typer.Typer(no_args_is_help=True)
for each in (extract, prepare, datasets, register, send, erase, log, selftest):  # in the order of a steward's work
    app.add_typer(each.app)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(patients.app, name="patients")
app.add_typer(person.app, name="person")
app.add_typer(vault.app, name="vault")
