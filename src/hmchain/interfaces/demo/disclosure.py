"""What left a hospital: bytes, and what the store and the master see where the hospital sees an image."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from hmchain import decoding
from hmchain.application.agent import contents
from hmchain.application.consent.usable import Use, UseKind
from hmchain.application.hospital.consortium import Consortium
from hmchain.files import write_whole
from hmchain.interfaces.demo.preparation import DATASET, Prepared
from hmchain.interfaces.report.history import History
from hmchain.interfaces.report.parts import Departure, Exposure
from hmchain.ledger import events, vectors
from hmchain.ledger.blocks import Block, BlockResult
from hmchain.ledger.contracts.learning import rounds, studies
from hmchain.records.envelope import open_envelope, sealed_size
from hmchain.records.pictures.prepared import TRAIN

_SIDE = 64


class ExposureCamera:
    """Takes the three pictures in the first training round: all of them are of real bytes."""

    def __init__(self, prepared: Prepared, consortium: Consortium) -> None:
        self._prepared = prepared
        self._consortium = consortium
        self._path = prepared.folder.exposure

    def on_block(self, block: Block, result: BlockResult) -> None:
        """When the first updates are frozen: look at one as the store and the participants do."""
        if self._path.exists():
            return
        for event in events.decode_all(result.transaction_events):
            if isinstance(event, events.SetFrozen) and event.study == self._prepared.study and event.round > 0:
                self._take(event.frozen[0])
                return

    def _take(self, organisation: str) -> None:
        state, study = self._consortium.ledger.state, self._prepared.study
        entry = rounds.current(state, studies.require_study(state, study))
        update = rounds.contribution(state, entry, organisation)
        key = self._consortium.hospitals[organisation].agent.study_key(study)
        if update is None or key is None:
            return
        envelope = self._consortium.objects.get(update.object)
        context = contents.update_context(study, entry.number, entry.attempt, organisation)
        masked = open_envelope(envelope, key, context)
        hospital = self._consortium.hospitals[organisation]
        shown = hospital.usable(DATASET, 1, Use(UseKind.TRAIN, recipients=(organisation,)))
        original = hospital.images(shown, TRAIN).images[0]
        seen = Exposure(
            original=_png(original),
            store=_png(_noise(envelope[-_SIDE * _SIDE :])),
            master=_png(_noise(masked[: _SIDE * _SIDE])),
            caption=f"Left: one training image of {organisation}, which never leaves. Middle: bytes of its update as "
            "the object store holds them, encrypted. Right: bytes of the same update as the master sees them, masked.",
        )
        write_whole(self._path, msgspec.json.encode(seen), durable=False)


def load_exposure(path: Path) -> Exposure | None:
    """The pictures, if they were taken."""
    return decoding.from_json(path.read_bytes(), Exposure) if path.exists() else None


def departures(prepared: Prepared, consortium: Consortium, history: History) -> tuple[Departure, ...]:
    """How many bytes left each hospital, from the ledger's own record."""
    study = studies.require_study(consortium.ledger.state, prepared.study)
    update_bytes = sealed_size(study.spec.rule.chunks * vectors.UPDATE.leaf_bytes)
    return tuple(
        Departure(
            hospital=name,
            update_bytes=history.updates[name] * update_bytes,
            transaction_bytes=history.transaction_bytes[name],
        )
        for name in prepared.names
    )


def _noise(data: bytes) -> npt.NDArray[np.uint8]:
    side = int(len(data) ** 0.5)
    return np.frombuffer(data[: side * side], np.uint8).reshape(side, side)


def _png(pixels: npt.NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(np.squeeze(pixels)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
