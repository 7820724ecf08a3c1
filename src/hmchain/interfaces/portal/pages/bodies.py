"""What a form says, as the body that the route of the same deed takes: held against the same limits."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from hmchain import decoding
from hmchain.interfaces.portal.pages.numbers import FieldError

T = TypeVar("T", bound=msgspec.Struct)


def body(kind: type[T], /, **said: Any) -> T:
    """The body of these fields. Raises `FieldError`, which repeats nothing of them: one may be a patient's number."""
    try:
        return decoding.converted(said, kind)
    except msgspec.ValidationError as error:
        raise FieldError(f"that cannot be used: {decoding.in_words(error, kind)}", "mend that field") from error
