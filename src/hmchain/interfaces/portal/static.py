"""The portal's own files: style, scripts and htmx, each under a name that its content gives it.

A name never stands for another content, so browsers keep a file for good; a new version of the program has new names.
Scripts name each other, and what they read, as modules do; here these names get the digests too.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from hmchain.application.node import forms
from hmchain.application.pages.markup import asset

PATH = "/static/"
STYLE, ICON, HTMX = "portal.css", "icon.svg", "htmx.js"
BODIES, PROOFS = "bodies.json", "proofs.json"
"""The forms of transactions and of proofs, for scripts that read their bytes."""
SCRIPT = "portal.js"
"""The script of every page; it loads others where a page needs them."""
FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
_KINDS = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "json": "application/json",
}
_NAMED = re.compile(r'(from |import\(|new URL\()"\./([a-z_]+\.(?:js|json))"')
_DARK = re.compile(r"@media screen and \(prefers-color-scheme: dark\) \{\s*:root \{(?P<palette>[^}]*)\}\s*\}")
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path fill="#0b5c8c" d="M1 1h3v3H1zm4 4h3v3H5z"/></svg>'
)


@dataclass(frozen=True)
class StaticFile:
    """A file, plain and packed."""

    name: str
    """With the digest."""
    kind: str
    body: bytes
    packed: bytes
    """With gzip."""


def address(name: str) -> str:
    """The path of a file of the portal's own."""
    return PATH + files()[name].name


def find(name: str) -> StaticFile | None:
    """The file of a name with its digest."""
    return _by_digest().get(name)


@cache
def files() -> dict[str, StaticFile]:
    """All of them by their plain names."""
    found = {
        STYLE: _file(STYLE, _by_choice(asset("hmchain.application.pages", "theme.css")) + asset(__package__, STYLE))
    }
    found[ICON] = _file(ICON, _ICON)
    for name, known in ((BODIES, forms.bodies()), (PROOFS, forms.proofs())):
        found[name] = _file(name, json.dumps(known, separators=(",", ":")))
    found[HTMX] = _file(HTMX, resources.files("js_lib_htmx").joinpath("static/htmx/htmx.min.js").read_text("utf-8"))
    scripts = resources.files(__package__).joinpath("scripts")
    for script in sorted(each.name for each in scripts.iterdir() if each.name.endswith(".js")):
        _add_script(script, found)
    return found


def _add_script(name: str, found: dict[str, StaticFile]) -> None:
    """Add a script after those that it names."""
    if name in found:
        return
    text = asset(__package__, f"scripts/{name}")
    for _, other in _NAMED.findall(text):
        _add_script(other, found)
    found[name] = _file(name, _NAMED.sub(lambda named: f'{named[1]}"./{found[named[2]].name}"', text))


def _file(name: str, text: str) -> StaticFile:
    body = text.encode()
    stem, _, ending = name.rpartition(".")
    digest = hashlib.sha256(body).hexdigest()[:16]
    return StaticFile(f"{stem}.{digest}.{ending}", _KINDS[ending], body, gzip.compress(body, mtime=0))


@cache
def _by_digest() -> dict[str, StaticFile]:
    return {file.name: file for file in files().values()}


def _by_choice(theme: str) -> str:
    """The theme of all pages, where a person's choice of light or dark counts more than the system's."""
    palette = _DARK.search(theme)
    assert palette is not None, "theme.css has a dark palette"
    return (
        _DARK.sub(
            lambda found: (
                "@media screen and (prefers-color-scheme: dark) {\n"
                f'  :root:not([data-theme="light"]) {{{found["palette"]}}}\n}}\n'
                f'@media screen {{\n  :root[data-theme="dark"] {{{found["palette"]}}}\n}}'
            ),
            theme,
        )
        + ':root[data-theme="light"] { color-scheme: light; }\n:root[data-theme="dark"] { color-scheme: dark; }\n'
    )
