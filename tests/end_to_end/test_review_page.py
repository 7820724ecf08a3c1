"""The review page as its user and its attacker meet it: over the socket, and in a real browser."""

from __future__ import annotations

import http.client
import io
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
import pydicom
import pytest
from PIL import Image

from hmchain.application.site import hospital
from hmchain.interfaces.portal.review import server
from hmchain.interfaces.portal.review.exchange import Response
from hmchain.interfaces.portal.review.neighbours import is_own
from hmchain.interfaces.portal.review.opening import OpenPage, quarantine_review
from hmchain.records.catalogue.held_filter import HeldFilter
from hmchain.records.pipeline.review import Reviewer
from support.browser import browser, needs_browser
from support.dicom_objects import ct, written
from support.steward import Steward
from support.steward import steward as steward

pytestmark = pytest.mark.process
NAME = "<img src=x onerror=alert(1)>Quince"


@pytest.fixture
def waiting(steward: Steward, tmp_path: Path) -> Steward:
    """Six ultrasound images of two series of one device, and a damaged file, all held."""
    folder = tmp_path / "export"
    folder.mkdir()
    for number in range(6):
        pixels = np.full((60, 80), 40, np.uint8)
        pixels[5:12, 5:50] = 250
        shot = ct(
            SOPInstanceUID=f"1.2.4.{number}", SeriesInstanceUID=f"1.2.5.{number % 2}", PatientID="p1", Modality="US",
            Manufacturer="Acme", ManufacturerModelName="Sono 3", Rows=60, Columns=80, BitsAllocated=8, BitsStored=8,
            HighBit=7, PixelData=pixels.tobytes(), SeriesDescription=NAME, BurnedInAnnotation="YES",
        )  # fmt: skip
        shot.file_meta.MediaStorageSOPInstanceUID = shot.SOPInstanceUID
        (folder / f"{NAME.replace('/', '')} {number}.dcm").write_bytes(written(shot))
    (folder / "short.dcm").write_bytes(written(ct(SOPInstanceUID="1.2.6.1"))[:300])
    steward.run("extract", str(folder), "--into", "us")
    return steward


@contextmanager
def opened(steward: Steward) -> Iterator[OpenPage]:
    """The page, answering."""
    who = [Reviewer("M. Curie")]
    with quarantine_review(hospital.locate(steward.folder), None, who, HeldFilter()) as page:
        thread = threading.Thread(target=page.run, args=(600,))
        thread.start()
        try:
            yield page
        finally:
            page.stop()
            thread.join()


class Client:
    """Speaks HTTP as a program does that minds no rule of browsers."""

    def __init__(self, page: OpenPage) -> None:
        self.host = urlsplit(page.address).netloc
        self.cookie = self.root = ""
        status, headers, _ = self.ask("GET", urlsplit(page.address).path)
        assert status == 303
        self.root, self.cookie = headers["location"], headers["set-cookie"].partition(";")[0]

    def ask(
        self, method: str, path: str, form: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        known = {"Host": self.host, "Cookie": self.cookie}
        if form is not None:
            known |= {"Origin": f"http://{self.host}", "Content-Type": "application/x-www-form-urlencoded"}
        connection = http.client.HTTPConnection(self.host, timeout=30)
        connection.request(method, path, urlencode(form) if form is not None else None, known | headers)
        answer = connection.getresponse()
        found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        connection.close()
        return found


def test_who_was_let_in_sees_what_waits_and_nothing_of_a_patient_stands_in_an_address(waiting: Steward) -> None:
    with opened(waiting) as page:
        client = Client(page)
        status, headers, body = client.ask("GET", client.root)
        assert (
            status == 200
            and headers["cache-control"] == "no-store"
            and "script-src 'self'" in (headers["content-security-policy"])
        )
        text = body.decode()
        assert "7 items wait" in text and "unsafe" not in headers["content-security-policy"]
        assert "<script>" not in text and " style=" not in text
        hexes = [held["item"] for held in waiting.run("quarantine", "list")]
        hexes += [held["patient"] for held in waiting.run("quarantine", "list") if held["patient"]]
        addresses = [part.split('"')[0] for part in text.split("href=")[1:] + text.split("src=")[1:]]
        assert not [each for each in hexes if any(each[:12] in address for address in addresses)]
        pages = [client.ask("GET", f"{client.root}item/{number}")[2].decode() for number in range(7)]
        assert any("&lt;img src=x" in text for text in pages) and not any("<img src=x" in text for text in pages)
        status, headers, png = client.ask("GET", f"{client.root}frame/{first(pages)}/0")
        assert (status, headers["content-type"]) == (200, "image/png")
        assert Image.open(io.BytesIO(png)).size == (80, 60)


def first(pages: list[str]) -> int:
    return next(number for number, text in enumerate(pages) if "burned in text" in text)


def test_strangers_learn_nothing(waiting: Steward) -> None:
    with opened(waiting) as page:
        client = Client(page)
        known = {client.ask("GET", path)[0] for path in (client.root, f"{client.root}item/0", f"{client.root}state")}
        assert known == {200}
        entering = urlsplit(page.address).path
        attacks = [
            ("GET", entering, None, {}),
            ("GET", client.root, None, {"Cookie": "hmchain_portal=guess"}),
            ("GET", client.root, None, {"Host": "evil.example"}),
            ("GET", client.root, None, {"Sec-Fetch-Site": "cross-site"}),
            ("POST", f"{client.root}apply", {}, {"Origin": "http://evil.example"}),
            ("POST", f"{client.root}apply", {}, {"Origin": "null"}),
            ("GET", f"{client.root}../../etc/passwd", None, {}),
            ("GET", f"{client.root}%2e%2e/%2e%2e/etc/passwd", None, {}),
            ("GET", f"{client.root}page.css/../../../../keys/local.key", None, {}),
            ("GET", f"{client.root}item/99999", None, {}),
            ("GET", f"{client.root}frame/0/-1", None, {}),
            ("GET", f"{client.root}frame/0/999999", None, {}),
            ("GET", f"{client.root}thumb/0/0/0", None, {}),
            ("POST", f"{client.root}item/0", {}, {}),
            ("DELETE", client.root, None, {}),
            ("GET", "//evil.example/", None, {}),
        ]
        for method, path, form, headers in attacks:
            status, _, body = client.ask(method, path, form, **headers)
            assert status in (303, 404, 501) and b"us v1" not in body and b"/etc" not in body, (method, path, status)
        assert waiting.run("quarantine", "list") == waiting.run("quarantine", "list", "--decided")


def test_what_is_too_large_or_makes_no_sense_is_refused_and_the_page_goes_on(waiting: Steward) -> None:
    with opened(waiting) as page:
        client = Client(page)
        mark = f"{client.root}mark"
        assert client.ask("POST", mark, {"number": "1" * 300_000})[0] == 413
        assert client.ask("POST", mark, {str(number): "1" for number in range(5000)})[0] == 400
        assert client.ask("POST", mark, {"number": "0", "state": "published"})[0] == 400
        assert client.ask("POST", mark, {"number": "0", "state": "blanked", "regions": "a,b,c,d 1,2"})[0] == 400
        assert client.ask("POST", mark, {"number": "0", "state": "rejected", "scope": "world"})[0] == 400
        client.ask("GET", client.root)
        shot = str(first([client.ask("GET", f"{client.root}item/{each}")[2].decode() for each in range(7)]))
        for places, why in (("99999,0,5,5", b"outside"), (" ".join(f"{x},0,4,4" for x in range(70)), b"70 rectangles")):
            status, _, body = client.ask("POST", mark, {"number": shot, "state": "blanked", "regions": places})
            assert status == 400 and why in body, body
        assert client.ask("POST", f"{client.root}filter", {"code": "' OR 1=1 --", "series": "\x00<b>"})[0] == 303
        assert b"0 items wait" in client.ask("GET", client.root)[2]
        assert client.ask("POST", f"{client.root}filter", {"clear": "1"})[0] == 303
        assert b"7 items wait" in client.ask("GET", client.root)[2]


def test_silent_connections_of_others_do_not_keep_the_reviewer_out(waiting: Steward) -> None:
    with opened(waiting) as page, ExitStack() as silent:
        client = Client(page)
        host, port = client.host.split(":")
        for _ in range(100):
            silent.enter_context(socket.create_connection((host, int(port))))
        assert client.ask("GET", client.root)[0] == 200


def test_connections_of_other_users_do_not_push_out_one_of_the_reviewers_that_has_not_asked_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own: set[int] = set()
    monkeypatch.setattr(server, "is_own", lambda client, port: client[1] in own and is_own(client, port))
    with server.PortalServer() as listening, ExitStack() as silent:
        thread = threading.Thread(target=listening.run, args=(lambda request: Response(200, b"here"), 600))
        thread.start()
        reviewer = silent.enter_context(socket.socket())
        reviewer.bind(("127.0.0.1", 0))
        own.add(reviewer.getsockname()[1])
        reviewer.connect(("127.0.0.1", listening.server_address[1]))
        for _ in range(100):
            silent.enter_context(socket.create_connection(("127.0.0.1", listening.server_address[1])))
        reviewer.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"here" in b"".join(iter(lambda: reviewer.recv(4096), b""))
        listening.stop()
        thread.join()


def test_the_reviewer_is_shown_the_word_that_an_item_is_held_for_and_what_does_not_decode(
    waiting: Steward, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    told = ct(SOPInstanceUID="1.2.8.1", PatientName="KIM^SU", PatientID="p7", ScanOptions="SU")
    (tmp_path / "more" / "told.dcm").write_bytes(written(told))
    (tmp_path / "more" / "short.dcm").write_bytes(written(ct(SOPInstanceUID="1.2.8.2", Modality="US"))[:-60])
    waiting.run("extract", str(tmp_path / "more"), "--into", "more")
    with opened(waiting) as page:
        client = Client(page)
        client.ask("POST", f"{client.root}filter", {"dataset": "more"})
        pages = [client.ask("GET", f"{client.root}item/{number}")[2].decode() for number in numbers(client)]
    assert any("<mark>SU</mark>" in text and "ScanOptions" in text for text in pages), pages
    assert any("cannot be decoded here" in text and "bytes" in text for text in pages), "with the decoder's reason"


def test_of_two_contents_with_one_identifier_the_reviewer_sees_both_and_takes_one(
    waiting: Steward, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    for number in (1, 2):
        image = ct(SOPInstanceUID="1.2.8.1", PatientID="p7", Rows=8, Columns=8, PixelData=bytes([number, 0] * 64))
        (tmp_path / "more" / f"{number}.dcm").write_bytes(written(image))
    waiting.run("extract", str(tmp_path / "more"), "--into", "more")
    with opened(waiting) as page:
        client = Client(page)
        client.ask("POST", f"{client.root}filter", {"dataset": "more"})
        (number,) = numbers(client)
        text = client.ask("GET", f"{client.root}item/{number}")[2].decode()
        assert "Take this one (t)" in text and "Keep the other (x)" in text and "-Pixel Data" in text
        assert client.ask("GET", f"{client.root}other/{number}/0")[1]["content-type"] == "image/png"
        mark = {"number": number, "scope": "item"}
        said = client.ask("POST", f"{client.root}mark", {**mark, "state": "released"}, Accept="application/json")[2]
        assert b'"changed": 0' in said, "which of the two must be said"
        client.ask("POST", f"{client.root}mark", {**mark, "state": "taken"})
        assert "to take" in client.ask("GET", client.root)[2].decode()
        assert b"1 released" in applied(client)
    waiting.run("register", "more")
    waiting.run("export", "more", "--output", str(tmp_path / "out"))
    (kept,) = (tmp_path / "out").rglob("*.dcm")
    assert set(pydicom.dcmread(kept).pixel_array.flat) == {2}


def test_a_word_that_is_a_name_by_chance_alone_is_kept(waiting: Steward, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    told = ct(SOPInstanceUID="1.2.8.1", PatientName="KIM^SU", PatientID="p7", ScanOptions="SU")
    (tmp_path / "more" / "told.dcm").write_bytes(written(told))
    waiting.run("extract", str(tmp_path / "more"), "--into", "more")
    with opened(waiting) as page:
        client = Client(page)
        client.ask("POST", f"{client.root}filter", {"dataset": "more"})
        (number,) = numbers(client)
        place = (
            client.ask("GET", f"{client.root}item/{number}")[2].decode().split('name="keep" value="')[1].split('"')[0]
        )
        client.ask("POST", f"{client.root}mark", {"number": number, "state": "released", "keep": place})
        assert "checked" in client.ask("GET", f"{client.root}item/{number}")[2].decode(), "a mark shows what it keeps"
        assert b"1 released" in applied(client)
    waiting.run("register", "more")
    waiting.run("export", "more", "--output", str(tmp_path / "out"))
    (kept,) = (tmp_path / "out").rglob("*.dcm")
    assert pydicom.dcmread(kept).ScanOptions == "SU"


def numbers(client: Client) -> list[str]:
    """The numbers of what the gallery shows."""
    return [part.split('"')[0] for part in client.ask("GET", client.root)[2].decode().split('data-number="')[1:]]


def applied(client: Client) -> bytes:
    """What came of the marks."""
    client.ask("POST", f"{client.root}apply", {})
    while b'"running": true' in (state := client.ask("GET", f"{client.root}state")[2]):
        pass
    return state


def test_nothing_is_decided_before_apply_and_the_log_names_who_looked(waiting: Steward) -> None:
    with opened(waiting) as page:
        client = Client(page)
        text = client.ask("GET", client.root)[2].decode()
        damaged = text.split("can only be rejected")[0].rpartition('data-number="')[2].split('"')[0]
        everything = {"number": damaged, "state": "released", "scope": "filter"}
        said = client.ask("POST", f"{client.root}mark", everything, Accept="application/json")[2]
        assert b"6 to release, 0 to reject" in said, "what is damaged cannot be released"
        shown = client.ask("GET", f"{client.root}item/{damaged}")[2].decode()
        wanted = shown.split('name="filter" value="')[1].split('"')[0]
        client.ask("POST", f"{client.root}filter", {"code": "damaged"})
        elsewhere = client.ask("POST", f"{client.root}mark", {**everything, "state": "rejected", "filter": wanted})
        assert elsewhere[0] == 409 and b"in another tab" in elsewhere[2], "it would be about what nobody saw"
        client.ask("POST", f"{client.root}filter", {"clear": "1"})
        assert len(waiting.run("quarantine", "list")) == 7
        client.ask("POST", f"{client.root}undo", {})
        client.ask("POST", f"{client.root}mark", {"number": damaged, "state": "rejected"})
        assert b"1 rejected" in applied(client)
        assert len(waiting.run("quarantine", "list")) == 6
        client.ask("POST", f"{client.root}mark", {"number": "0", "state": "rejected"})
        assert b"What was decided for good" in client.ask("GET", client.root)[2]
        decided = client.ask("GET", f"{client.root}decisions")[2].decode()
        assert "rejected" in decided and "M. Curie" in decided and "damaged" in decided
        content = decided.split('name="content" value="')[1].split('"')[0]
        client.ask("POST", f"{client.root}back", {"content": content})
        assert "is taken back" in client.ask("GET", f"{client.root}decisions")[2].decode()
        client.ask("POST", f"{client.root}back", {"content": content})
        assert "no decision begins" in client.ask("GET", f"{client.root}decisions")[2].decode()
    assert page.ended().marks == 1 and len(waiting.run("quarantine", "list")) == 6
    deeds = {each["what"]: each for each in waiting.run("log")["entries"]}
    assert (deeds["take-back"]["person"], deeds["take-back"]["items"]) == ("M. Curie", 1)
    assert deeds["review"]["person"] == deeds["reject"]["person"] == "M. Curie"
    assert (deeds["reject"]["items"], deeds["review"]["outcome"]) == (1, "done")


@needs_browser
@pytest.mark.network
def test_a_reviewer_blanks_a_name_and_has_its_device_blanked_from_now_on_by_keys(
    waiting: Steward, tmp_path: Path
) -> None:
    with opened(waiting) as page, browser(tmp_path) as seen:
        for width, dark in ((390, True), (1280, False)):
            seen.be(width, dark=dark)
            seen.open(page.address if width == 390 else seen.see("location.href"))
            seen.wait("document.body.dataset.ready && document.querySelectorAll('.card').length === 7")
            assert seen.see("document.documentElement.scrollWidth") <= width
            assert seen.see("getComputedStyle(document.body).backgroundColor") == (
                "rgb(15, 20, 26)" if dark else "rgb(246, 247, 249)"
            )
        number = seen.see(
            "Array.from(document.querySelectorAll('.card'))"
            ".find((one) => one.textContent.includes('burned')).dataset.number"
        )
        seen.press("Enter")
        seen.wait("location.href.endsWith('/item/0') && document.body.dataset.ready")
        seen.press("Escape")
        seen.wait("document.body.dataset.ready && document.querySelectorAll('.card').length === 7")
        seen.press("a", "r")
        unmarked = "1 got no mark: that cannot be said of what was chosen."
        seen.wait(f"document.querySelector('#progress').textContent === '{unmarked}'")
        seen.press("a", "x")
        seen.wait("document.querySelector('#marks').textContent.startsWith('0 to release, 7 to reject')")
        seen.see(
            "document.querySelector('#select').click(), document.querySelector('#cards-mark [value=\"\"]').click()"
        )
        seen.wait("document.querySelector('#marks').textContent.startsWith('0 to release, 0 to reject')")
        seen.open(seen.see("location.href") + f"item/{number}")
        seen.press("Escape")
        seen.wait(f"document.querySelector('.card.current')?.dataset.number === '{number}'")
        seen.open(seen.see("location.href") + f"item/{number}")
        seen.wait(
            "document.querySelector('#frame').naturalWidth === 80 && document.querySelector('#drawing').width > 300"
        )
        left, top, width, height = seen.see(
            "(({left, top, width, height}) => [left, top, width, height])"
            "(document.querySelector('#frame').getBoundingClientRect())"
        )
        seen.drag((left + width * 4 / 80, top + height * 4 / 60), (left + width * 52 / 80, top + height * 14 / 60))
        seen.see(
            "document.querySelector('#scope').value = 'device', document.querySelector('#from-now-on').checked = true"
        )
        seen.press("b")
        seen.wait("document.querySelector('#marks').textContent.startsWith('6 to release, 0 to reject, 6 with parts')")
        seen.press("A")
        seen.wait("document.querySelector('#progress').textContent.includes('6 released: 6 records.')")
        seen.wait("document.querySelectorAll('.card').length === 1")
        assert seen.complaints == []
    (damaged,) = waiting.run("quarantine", "list")
    assert damaged["code"] == "damaged"
    waiting.run("quarantine", "reject", damaged["item"], "--reviewer", "Curie")
    waiting.run("register", "us")
    waiting.run("export", "us", "--output", str(tmp_path / "out"))
    for path in (tmp_path / "out").rglob("*.dcm"):
        pixels = pydicom.dcmread(path).pixel_array
        assert (pixels[5:12, 5:50] == 0).all() and (pixels[20:] == 40).all()
    another = ct(
        SOPInstanceUID="1.2.9.9", PatientID="p2", Modality="US", Manufacturer="Acme", ManufacturerModelName="Sono 3",
        Rows=60, Columns=80, BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=bytes(4800),
    )  # fmt: skip
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "x.dcm").write_bytes(written(another))
    assert waiting.run("extract", str(tmp_path / "later"), "--into", "us")["held"] == 0
    (rule,) = waiting.run("quarantine", "devices")
    assert rule["reviewer"] == "M. Curie" and rule["in_force"] and "Sono 3" in waiting.show("quarantine", "devices")
    assert waiting.run("quarantine", "devices", "--drop", "1", "--reviewer", "Curie") == []
    another.SOPInstanceUID = another.file_meta.MediaStorageSOPInstanceUID = "1.2.9.10"
    (tmp_path / "later" / "y.dcm").write_bytes(written(another))
    assert waiting.run("extract", str(tmp_path / "later"), "--into", "us")["held"] == 1
