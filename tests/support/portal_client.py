"""The portal of a finished run, asked in this process, and what its pages say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

from starlette.testclient import TestClient

from hmchain.interfaces.portal import app
from support.api_client import site_of


@contextmanager
def portal_of(run: Path, language: str = "en") -> Iterator[TestClient]:
    """A client of the portal of a run, which anybody may look at."""
    spoken = {"language": language}
    with (
        site_of(run) as site,
        TestClient(app.create(site), "http://localhost", follow_redirects=False, cookies=spoken) as found,
    ):
        yield found


def main_of(page: str) -> str:
    """The text of a page's content, without its frame."""
    content = page[page.index("<main") : page.index("</main>")]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", content)).split())


class Links(HTMLParser):
    """The addresses of this portal that a page links to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get("href") or ""
        if tag == "a" and address.startswith("/"):
            self.found.add(address.partition("#")[0])
