"""Models that studies made: which there are, what a file holds, and what a model says of an image."""

from __future__ import annotations

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.models import asking
from hmchain.application.models.asking import IMAGE_BYTES_MAX, KnownModels, ModelAnswer
from hmchain.application.models.inference import ModelFile, standing
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.paging import Page
from hmchain.interfaces.api.parameters import Name
from hmchain.interfaces.api.routing import Routes, Upload
from hmchain.ledger.readers.models import ModelView

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
VIEW_OWN = Rule(Operation.VIEW, Scope.HOSPITAL)
"""The file is at the hospitals that made it, and inside them."""
PREDICT = Rule(Operation.VIEW, Scope.HOSPITAL)
"""Changes nothing: the image is gone when the answer is."""

routes = Routes("models")


@routes.get("/models", VIEW, commands=("model list",))
def list_models(call: Call) -> Page[ModelView]:
    """The models on the ledger."""
    with call.ledger() as ledger:
        return call.page(ledger.models())


@routes.get("/models/{study}", VIEW_OWN, commands=("model show",))
def show_model(call: Call, study: Name) -> ModelFile:
    """The model file that a study left here, held against the ledger: network, classes, preprocessing, origin."""
    with call.ledger() as ledger:
        known = KnownModels.of(ledger)
    with call.waiting():
        found = call.site.models.run(asking.describe, call.model_file(study), known)
    with call.ledger() as ledger:
        return standing(found, ledger)


@routes.post("/models/{study}/predictions", PREDICT, commands=("model predict",),
             bytes_max=IMAGE_BYTES_MAX, private=True)  # fmt: skip
def ask_model(call: Call, study: Name, upload: Upload) -> ModelAnswer:
    """What the model says of a picture or a DICOM object, and on which parts of the image that rests.

    The image is kept nowhere. Research use only, not a medical device.
    """
    with call.ledger() as ledger:
        known = KnownModels.of(ledger)
    with call.waiting():  # before the image is read, so that few are in memory
        return call.site.models.run(asking.ask, call.model_file(study), known, upload.path.read_bytes())
