"""One request, as a route is given it: who asks, and the hospital's services at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from hmchain.application.access import permissions
from hmchain.application.access.permissions import NotSignedInError, Rule, Scope
from hmchain.application.access.principal import Principal
from hmchain.application.access.throttle import of_address
from hmchain.application.data import long_work
from hmchain.application.governance import delegate
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.requests.documents import Documents, documents_at
from hmchain.application.governance.words import texts_at
from hmchain.application.jobs.jobs import Job, Work
from hmchain.application.models import export, results
from hmchain.application.models.export import ExportPlace
from hmchain.application.site import hospital
from hmchain.application.site.hospital import HospitalFolder, Records, locate
from hmchain.application.site.node import NodeFolder, exchanged_objects
from hmchain.application.site.run import RunFolder, ledger_in
from hmchain.application.site.texts import Texts
from hmchain.errors import InputError
from hmchain.interfaces.api import paging
from hmchain.interfaces.api.paging import Item, Page
from hmchain.interfaces.api.signing import KeyElsewhere, SignatureElsewhere, Unsigned, to_sign
from hmchain.interfaces.api.site import ReadOnlyError, Site, only_looked_at
from hmchain.interfaces.api.uploads import Upload
from hmchain.interfaces.api.waiting import LONG
from hmchain.keys import SigningKey
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.plain import Progress
from hmchain.records.objects import ObjectStore
from hmchain.records.sources.opening import listens
from hmchain.records.sources.request import SourceRequest, read_request

HOSPITAL = "hospital"
"""The query parameter, or cookie, that names a hospital of a run."""


class UnknownHospitalError(InputError):
    """There is no such hospital here."""

    code = "unknown_hospital"


class UnknownPlaceError(InputError):
    """The portal's settings name no such place."""

    code = "unknown_place"


class ListenerError(InputError):
    """A source has no end, and long work of a portal has to have one."""

    code = "listener"


@dataclass(frozen=True)
class Call:
    """A request whose rule was seen to."""

    site: Site
    request: Request
    who: Principal | None
    """None where a route is for anybody."""
    rule: Rule
    """It was seen to."""

    def require_still(self, *, signed_in: bool = True) -> None:
        """See that whoever asked may do it still: minutes may lie between, in which the ledger said otherwise.

        Long work goes on though nobody is `signed_in` any more. Raises as `permissions.require`.
        """
        if self.rule.scope is Scope.PUBLIC:
            return
        site = self.site
        if site.access is None:
            who = site.authenticate(self.request)
        else:
            who = (site.access.still if signed_in else site.access.now)(self.request.state.visitor)
        if who is None:
            raise NotSignedInError("whoever asked for this is out by now", "sign in, and ask for it again")
        permissions.require(self.rule, who, site.hospitals[0], site.second_factor)

    @property
    def person(self) -> Principal:
        """Whoever asks. Raises `NotSignedInError`."""
        if self.who is None:
            raise NotSignedInError
        return self.who

    @property
    def organisation(self) -> str:
        """The hospital whose portal this is; of a run that which was chosen. Raises `UnknownHospitalError`."""
        wanted, known = self.request.query_params.get(HOSPITAL), self.site.hospitals
        if not self.site.is_read_only:
            return known[0]
        if not wanted:  # one that was chosen in another run's portal is none of this one
            kept = self.request.cookies.get(HOSPITAL)
            return kept if kept in known else known[0]
        if wanted not in known:
            raise UnknownHospitalError("there is no such hospital here", f"one of {', '.join(known)}")
        return wanted

    @property
    def folder(self) -> HospitalFolder:
        """The hospital's own folder."""
        return locate(self._own_place)

    @property
    def ledger_folder(self) -> Path:
        """The directory of the ledger."""
        return ledger_in(self.site.place)

    @property
    def node(self) -> NodeFolder:
        """The node's folder. Raises `ReadOnlyError` where there is none."""
        if self.site.is_read_only:
            raise only_looked_at()
        return self.site.node

    @property
    def place(self) -> ExportPlace:
        """The hospital's folder, with ledger and objects. Raises `NoHospitalError`."""
        return export.locate(self._own_place)

    def model_file(self, study: str) -> Path:
        """The file of a study's model, as it lies here. Raises as `results.model_file`."""
        if self.site.is_read_only and (found := RunFolder(self.site.place).model).is_file():
            return found
        own = self.folder
        return results.model_file(own.node.path if own.node else own.path, study)

    @property
    def _own_place(self) -> Path:
        if self.site.is_read_only:
            return RunFolder(self.site.place).hospital(self.organisation)
        return self.site.place

    @property
    def own_folder(self) -> HospitalFolder | None:
        """The folder of a node's hospital, for its own people; None for others, and of a run."""
        is_own = self.who is not None and self.who.organisation == self.organisation
        return self.folder if is_own and not self.site.is_read_only else None

    @property
    def passphrase(self) -> str | None:
        """What opens the hospital's key files."""
        return self.site.passphrase()

    @property
    def texts(self) -> Texts:
        """The descriptions of studies at this node."""
        return texts_at(self.node, self.site.passphrase)

    @property
    def papers(self) -> Documents:
        """The documents that this hospital makes and reads."""
        return documents_at(self.node, self.site.passphrase)

    @property
    def sealed(self) -> Documents | None:
        """The same for a reader; None of a run, and for people of others, who see what every ledger has."""
        return self.papers if self.own_folder is not None else None

    @property
    def objects(self) -> ObjectStore:
        """What members exchange, sealed; and the terms that they ask for, in clear. Raises as `exchanged_objects`."""
        if not self.site.is_read_only:
            return exchanged_objects(self.node)
        place = RunFolder(self.site.place).objects
        return ObjectStore.directory(place) if place.is_dir() else ObjectStore.memory()

    @property
    def about(self) -> str:
        """Whose view a list is: this hospital's; of a run that which was chosen, else nobody's, and so all of it."""
        is_chosen = HOSPITAL in self.request.query_params or self.request.cookies.get(HOSPITAL) in self.site.hospitals
        return self.organisation if is_chosen or not self.site.is_read_only else ""

    @contextmanager
    def ledger(self) -> Iterator[LedgerReader]:
        """The ledger, verified, for some questions: other requests wait meanwhile."""
        with self.site.live.reader() as found:
            yield found

    @contextmanager
    def whole_ledger(self) -> Iterator[LedgerReader]:
        """The same for a question that reads the whole log, such as a trace: it takes seconds, and no other waits.

        Raises `TooManyWaitingError`.
        """
        with self.waiting(), self.site.live.aside() as found:
            yield found

    def waiting(self) -> AbstractContextManager[None]:
        """A place among those who wait long: so many a person, or an address. Raises `TooManyWaitingError`."""
        address = self.request.client.host if self.request.client else ""
        return LONG.taken(self.who.name if self.who else of_address(address))

    def page(self, found: Sequence[Item]) -> Page[Item]:
        """The part of a list that was asked for; its views are made here, where the ledger stays as it is."""
        return paging.page(found, **self.request.state.part)

    def now_ms(self) -> int:
        """The time the next block would have."""
        return self.site.live.now_ms()

    @contextmanager
    def user(self) -> Iterator[LedgerUser]:
        """Whoever asks, acting on the ledger: what is to be signed goes back to that person (`signing`)."""
        node, who = self.node, self.person
        if not who.public:
            raise ReadOnlyError("whoever is signed in has no key on the ledger", "sign in as a person with a key")
        signer = self._signer(who)
        with self.waiting() if isinstance(signer, SigningKey) else nullcontext():  # a key here waits for its block
            yield delegate.user_with(node, who.organisation, signer, self.site.live.ledger)

    def _signer(self, who: Principal) -> SigningKey | KeyElsewhere:
        """The person's key, where the hospital chose that it signs here, and it is this very person's; else elsewhere.

        People of other members have names of ours, and all members have the same offices.
        """
        if self.site.signs_here and who.organisation == self.site.hospitals[0]:
            key = delegate.key_here(self.node, who.person, self.site.passphrase)
            if key is not None and key.public == who.key:
                return key
        return KeyElsewhere(who.key)

    def records(self) -> AbstractContextManager[Records]:
        """The hospital's own records, to look at. Raises what `read_records` raises."""
        return hospital.read_records(self.folder, self.passphrase)

    def records_alone(self) -> AbstractContextManager[Records]:
        """The same, to change them: nobody else does meanwhile."""
        self.node  # noqa: B018  of a run nothing is changed
        return hospital.open_records(self.folder, self.passphrase)

    def records_to_note(self) -> AbstractContextManager[Records]:
        """The same, to write down what patients say: that waits for nobody."""
        self.node  # noqa: B018  of a run nothing is changed
        return self.records()

    def begin(self, kind: str, about: str, work: Work, leftover: Path | None = None) -> Job:
        """Begin long work, as whoever asks: `kind` is the command's words, `about` a name.

        What it gives is an `Unsigned` where it came to that person's signature. A folder that is a `leftover` is
        removed when it is over. It ends where the ledger says by then that this person may not do it.
        """

        def until_signed(progress: Progress) -> object:
            def told(done: int, of: int | None) -> None:
                self.require_still(signed_in=False)
                progress(done, of)

            try:
                self.require_still(signed_in=False)
                return work(told)
            except SignatureElsewhere as needed:
                return Unsigned(to_sign(*needed.messages))

        return self.site.jobs.start(kind, about, self.person.name, until_signed, leftover)

    def begin_apart(self, kind: str, about: str, work: Callable[..., object], *given: object, **named: object) -> Job:
        """The same in a process of its own: a function of a module, which is handed `progress` too."""
        return self.begin(kind, about, lambda told: self.site.apart(work, *given, progress=told, **named))

    def begin_on_records(
        self,
        kind: str,
        about: str,
        service: Callable[..., object],
        *given: object,
        alone: bool = False,
        **named: object,
    ) -> Job:
        """The same of a service that takes the hospital's records first; `alone` is for what changes them."""
        whole = (service, self.folder, self.passphrase, *given)
        return self.begin_apart(kind, about, long_work.on_records, *whole, alone=alone, **named)

    def begin_on_upload(
        self, kind: str, about: str, upload: Upload, work: Callable[..., object], *given: object
    ) -> Job:
        """The same of a function that takes the path of a file first, which was sent and is gone when it is over."""
        path = upload.keep()
        return self.begin(kind, about, lambda told: self.site.apart(work, path, *given, progress=told), path.parent)

    def source(self, name: str) -> SourceRequest:
        """The source of a name, which comes to an end by itself.

        Raises `UnknownPlaceError`, `ListenerError`, and what reading its description raises.
        """
        found = read_request(_place(self.site.sources, name, "sources"))
        if listens(found):
            what = "this source is a listener: it takes what is sent to it for as long as it runs, and a job has to end"
            raise ListenerError(what, "run `hmchain data extract SOURCE --into DATASET` at the machine")
        return found

    def destination(self, name: str) -> str:
        """The place of a name where records may go. Raises `UnknownPlaceError`."""
        return _place(self.site.destinations, name, "destinations")


def _place(places: Mapping[str, str], name: str, kind: str) -> str:
    if (found := places.get(name)) is None:
        raise UnknownPlaceError(f"portal.toml names no such place among its {kind}", f"add it there, under [{kind}]")
    return found
