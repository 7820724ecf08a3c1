"""Small CSV files that people write beside their data."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

from hmchain.errors import HMChainError
from hmchain.files import open_regular


def csv_lines(path: Path, unreadable: type[HMChainError]) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, each with its number. Raises `unreadable` for what is no CSV file in UTF-8."""
    try:
        with TextIOWrapper(open_regular(path), encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            yield from ((reader.line_num, line) for line in reader if line)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise unreadable(f"{path} cannot be read", "check the path; it takes a CSV file in UTF-8") from error
