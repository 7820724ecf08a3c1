"""How a dataset may be described since protocol 3: by phrases and media types, and no longer by any text of 80 letters.

Whoever writes a program of their own could have put sentences there, about people too, for good.
"""

from __future__ import annotations

from hmchain.ledger import phrases
from hmchain.ledger.context import Context, require
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.data.datasets import RecordSchema, RegisterDataset, Schema

CLASS_BYTES_MAX = 4096
"""Of the names of all classes together."""


def is_plain(schema: Schema | RecordSchema) -> bool:
    """Whether a schema's own words are short phrases and media types."""
    if isinstance(schema, RecordSchema):
        return all(map(phrases.is_media_type, schema.media_types))
    size = sum(len(name.encode()) for name in schema.classes)
    return size <= CLASS_BYTES_MAX and all(map(phrases.is_phrase, (schema.modality, *schema.classes)))


def _register(context: Context, body: RegisterDataset) -> None:
    require(is_plain(body.schema), "bad_schema")
    datasets.register(context, body)


HANDLERS = {RegisterDataset: _register}
