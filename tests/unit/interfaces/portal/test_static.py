"""The portal's own files: named by their content, kept for good, small, and free of what its policy forbids."""

from __future__ import annotations

import gzip
import hashlib
import re

from hmchain.interfaces.portal import static

PAGE_BYTES_MAX = 200_000


def test_a_name_stands_for_one_content() -> None:
    for name, file in static.files().items():
        stem, digest, ending = file.name.rsplit(".", 2)
        assert f"{stem}.{ending}" == name
        assert digest == hashlib.sha256(file.body).hexdigest()[:16]
        assert gzip.decompress(file.packed) == file.body
        assert static.find(file.name) is file
    assert static.find("portal.css") is None and static.find("../page.py") is None


def test_scripts_name_each_other_by_their_digests() -> None:
    known = {file.name for file in static.files().values()}
    for name, file in static.files().items():
        if name.endswith(".js") and name != static.HTMX:
            named = re.findall(r'(?:from |import\()"([^"]+)"', file.body.decode())
            assert {each.removeprefix("./") for each in named} <= known, name


def test_all_of_them_weigh_less_than_a_page_may() -> None:
    assert sum(len(file.body) for file in static.files().values()) < PAGE_BYTES_MAX


def test_a_choice_of_light_or_dark_counts_more_than_the_system() -> None:
    style = static.files()[static.STYLE].body.decode()
    system, dark = (
        re.search(start + r" \{([^}]*)\}", style)
        for start in (r':root:not\(\[data-theme="light"\]\)', r':root\[data-theme="dark"\]')
    )
    assert system and dark and system[1] == dark[1] and "--page" in dark[1]
