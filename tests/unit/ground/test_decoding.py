"""Typed values from JSON, TOML and MessagePack."""

from __future__ import annotations

import codecs
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from hmchain import decoding, files
from hmchain.errors import InputError

TOGETHER = """
import sys, threading, types
import msgspec
from hmchain import decoding

sys.setswitchinterval(1e-6)
FIELDS = "(msgspec.Struct):\\n x: int\\n y: str = ''\\n w: tuple[int, ...] = ()\\n"

def kind_of(name):
    "A Struct that no decoder has met, with others in it."
    module = sys.modules[name] = types.ModuleType(name)
    module.msgspec = msgspec
    for depth in range(12):
        inner = f" z: 'K{depth - 1} | None' = None\\n" if depth else ""
        exec(f"class K{depth}" + FIELDS + inner, module.__dict__)
    return module.K11

def decode(kind, start):
    start.wait()
    decoding.from_json(b'{"x":1,"z":{"x":2,"z":{"x":3}},"w":[1,2]}', kind)

for round in range(60):
    kind, start = kind_of(f"kinds_{round}"), threading.Barrier(6)
    threads = [threading.Thread(target=decode, args=(kind, start)) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
print("done")
"""


class Point(msgspec.Struct):
    x: int
    y: int = 0


@pytest.mark.process
def test_threads_that_meet_a_type_together_all_get_their_values() -> None:
    """Each built a decoder of its own before, and one of them found half of what it needs: the process ended."""
    child = subprocess.run([sys.executable, "-c", TOGETHER], capture_output=True, text=True)
    assert (child.returncode, child.stdout, child.stderr) == (0, "done\n", "")


def test_a_client_may_write_a_whole_number_with_a_point() -> None:
    assert decoding.from_clients(b'{"x": 90.0, "y": 1e3}', Point) == Point(90, 1000)
    for body in (b'{"x": 90.5}', b'{"x": "90"}', b'{"x": 1e999}', b"[" * 3000, b"{", b"\xff"):
        with pytest.raises(msgspec.DecodeError):
            decoding.from_clients(body, Point)


def test_one_value_from_four_spellings() -> None:
    wanted = Point(1, 2)
    assert decoding.from_json(b'{"x": 1, "y": 2}', Point) == wanted
    assert decoding.from_json('{"x": "1", "y": "2"}', Point, strict=False) == wanted
    assert decoding.from_toml(b"x = 1\ny = 2", Point) == wanted
    assert decoding.from_msgpack(b"\x82\xa1x\x01\xa1y\x02", Point) == wanted
    assert decoding.converted({"x": 1, "y": 2}, Point) == wanted


def test_what_is_no_such_value_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decoding.from_json(b'{"x": "1"}', Point)
    with pytest.raises(msgspec.ValidationError):
        decoding.converted({"y": 2}, Point)
    with pytest.raises(msgspec.DecodeError):
        decoding.from_toml(b"x =", Point)


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    k_min: int = 1


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    dates: str = ""
    tables: dict[str, Inner] = {}


@pytest.mark.parametrize(
    ("text", "meant"),
    [("daets = 'shift'", "did you mean `dates`?"), ("[tables.one]\nkmin = 3", "did you mean `k_min`?"), ("zz = 1", "")],
)
def test_who_mistypes_an_entry_is_told_which_one_is_meant(text: str, meant: str) -> None:
    with pytest.raises(msgspec.DecodeError) as caught:
        decoding.from_toml(text, Outer)
    said = decoding.in_words(caught.value, Outer)
    assert "unknown field" in said and said.endswith(meant or "`zz`")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"dates = 3", '`dates` is a whole number, and should be a text in "quotes"'),
        (b"[tables.one]\nk_min = 'x'", "is a text, and should be a whole number"),
        (b"dates = 30.06.2027", "days as 2027-06-30"),
        (b"dates = 'a'\ndates = 'b'", "an entry stands twice"),
        (b"dates = '\xe4'", "it is no text in UTF-8: save it as UTF-8"),
    ],
)
def test_who_writes_a_file_by_hand_is_told_what_should_stand_there(tmp_path: Path, text: bytes, said: str) -> None:
    path = tmp_path / "outer.toml"
    path.write_bytes(codecs.BOM_UTF8 + b"dates = '\xc3\xa4'")
    assert files.read_toml(path, Outer, InputError) == Outer("ä"), "as editors of Windows save it"
    path.write_bytes(text)
    with pytest.raises(InputError) as caught:
        files.read_toml(path, Outer, InputError)
    assert said in str(caught.value)


@pytest.mark.parametrize("written", ["1e308", "1.7976931348623157e308", "5e-324", "-0.1", "1e-400"])
def test_a_number_of_any_type_is_what_python_reads(written: str) -> None:
    assert decoding.from_json(written, object) == float(written)
    for kind in (object, float):
        with pytest.raises(msgspec.ValidationError, match="out of range"):
            decoding.from_json(f"{written.partition('e')[0]}e999", kind)
