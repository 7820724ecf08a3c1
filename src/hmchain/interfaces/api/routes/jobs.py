"""Jobs: long work, begun by other routes; its progress, what came of it, and calling it off."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from hmchain.application.access.permissions import AUDITOR, OPERATOR, STEWARD, NotAllowedError, Operation, Rule, Scope
from hmchain.application.jobs.jobs import Job, UnknownJobError
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.routing import Routes

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL)
"""One's own; those of others for whoever answers for the hospital's data, machine or record."""
CANCEL = Rule(Operation.CHANGE, Scope.HOSPITAL)
"""One's own alone."""

routes = Routes("jobs")

JobId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="Of the job.")]


@routes.get("/jobs", VIEW)
def list_jobs(call: Call) -> list[Job]:
    """The jobs that one began, or may see, the newest first."""
    return [job for job in call.site.jobs.all() if _sees(call, job)]


@routes.get("/jobs/{id}", VIEW)
def show_job(call: Call, id: JobId) -> Job:
    """How far a job is, and what came of it."""
    return _seen(call, id)


@routes.delete("/jobs/{id}", CANCEL)
def cancel_job(call: Call, id: JobId) -> Job:
    """Call one's own job off: it ends at its next step, and what is done stays done."""
    return call.site.jobs.cancel(own_job(call, id).id)


def own_job(call: Call, id: str) -> Job:
    """A job that whoever asks began. Raises `UnknownJobError` or `NotAllowedError`."""
    if (found := _seen(call, id)).person != call.person.name:
        raise NotAllowedError("this is another person's job", "ask that person")
    return found


def _sees(call: Call, job: Job) -> bool:
    return job.person == call.person.name or bool(call.person.roles & {STEWARD, OPERATOR, AUDITOR})


def _seen(call: Call, id: str) -> Job:
    if not _sees(call, found := call.site.jobs.get(id)):
        raise UnknownJobError("there is no such job", "`/v1/jobs` lists them")
    return found
