"""Damaged images: the libraries that decode them print nothing, and end no process of ours."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit

from hmchain import apart
from hmchain.records.deidentification.dicom import DicomDeidentifier
from hmchain.records.deidentification.profile import PixelRules, Profile
from hmchain.records.pictures.decoders import DECODER, DecoderError, frame_of, plugin_for
from hmchain.records.pipeline.viewing import UNSEEN, view
from hmchain.records.sources.item import DICOM
from support.dicom_objects import PSEUDONYMS, ct, outcome, written

LOOKING = DicomDeidentifier(Profile(name="t", title="", pixels=PixelRules(find_writing=True)), PSEUDONYMS)


def damaged(form: str) -> bytes:
    """An object of one coded frame, of whose samples every tenth byte is another."""
    pixels = np.random.default_rng(1).integers(0, 255, (64, 64), np.uint8)
    bare = {"no_jp2": True, "irreversible": False} if form == "JPEG2000" else {}
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, form, **bare)
        frame = bytearray(file.getvalue())
    for at in range(len(frame) // 3, len(frame) - 2, 10):
        frame[at] ^= 0x55
    syntax = JPEG2000Lossless if form == "JPEG2000" else JPEGBaseline8Bit
    dataset = ct(syntax, BitsAllocated=8, BitsStored=8, HighBit=7, Rows=64, Columns=64)
    dataset.PixelData = encapsulate([bytes(frame)])
    return written(dataset)


@pytest.mark.parametrize("form", ["JPEG2000", "JPEG"])
def test_damaged_frames_print_nothing_where_they_are_extracted_or_shown(
    form: str, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome(damaged(form), LOOKING)
    assert view(DICOM, io.BytesIO(damaged(form))).problem[: len(UNSEEN)] in ("", UNSEEN)
    assert capfd.readouterr() == ("", "")


@pytest.mark.process
def test_a_decoder_that_ends_on_a_damaged_frame_takes_nobody_with_it_and_the_next_frame_is_decoded() -> None:
    """GDCM's ends as if it were killed, with SIGABRT or SIGSEGV."""
    dataset = pydicom.dcmread(get_testdata_file("SC_rgb_jpeg_gdcm.dcm"))
    before = frame_of(dataset, 0)
    its_process = DECODER.run(os.getpid)
    assert its_process != os.getpid() and before.shape == (100, 100, 3)
    os.kill(its_process, signal.SIGSEGV)
    os.waitid(os.P_PID, its_process, os.WEXITED | os.WNOWAIT)
    with pytest.raises(DecoderError):
        frame_of(dataset, 0)
    assert (frame_of(dataset, 0) == before).all()


@pytest.mark.process
def test_a_decoder_takes_no_code_from_the_folder_that_a_steward_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pydicom.py").write_text("raise SystemExit(1)  # came with what was sent")
    monkeypatch.chdir(tmp_path)
    DECODER.close()
    assert frame_of(pydicom.dcmread(get_testdata_file("SC_rgb_jpeg_gdcm.dcm")), 0).shape == (100, 100, 3)


@pytest.mark.process
def test_the_answer_to_a_frame_that_nobody_waited_for_is_not_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = pydicom.dcmread(get_testdata_file("SC_rgb_jpeg_gdcm.dcm"))
    before, its_process = frame_of(dataset, 0), DECODER.run(os.getpid)

    def interrupted(_: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as while_it_waits:
        while_it_waits.setattr(apart, "received", interrupted)
        with pytest.raises(KeyboardInterrupt):
            frame_of(dataset, 0)
    assert (frame_of(dataset, 0) == before).all() and DECODER.run(os.getpid) != its_process


@pytest.mark.process
def test_a_decoder_that_never_answers_ends_by_itself() -> None:
    slow = """if True:
        from threading import Event
        from hmchain.records.pictures import decoders
        decoders._SECONDS_MAX, decoders._decode = 1, lambda *_: Event().wait()
        decoders.decode_here(b"", "", {})
    """
    run = subprocess.run([sys.executable, "-c", slow], stdout=subprocess.PIPE)
    assert (run.returncode, run.stdout) == (-signal.SIGALRM, b"")


@pytest.mark.parametrize(
    ("number", "samples", "stored", "library"),
    [("50", 3, 8, "pillow"), ("70", 1, 16, "gdcm"), ("90", 1, 16, "pillow"), ("90", 3, 16, "gdcm"),
     ("81", 1, 12, "pyjpegls"), ("5", 1, 16, "")],
)  # fmt: skip
def test_gdcm_is_asked_for_what_no_other_library_decodes(number: str, samples: int, stored: int, library: str) -> None:
    assert plugin_for(f"1.2.840.10008.1.2.4.{number}", samples, stored) == library


@pytest.mark.process
def test_a_command_goes_on_saying_what_it_says_and_does_without_a_standard_error() -> None:
    says = """if True:
        import os, sys
        from hmchain.interfaces.cli import streams
        from hmchain.processes import hushed
        streams.prepare()
        with hushed():
            os.write(2, b"theirs")
            print("ours", file=sys.stderr)
        print("done")
    """
    run = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("done\n", "ours\n")
    shell = f'{sys.executable} -c "$0" 2>&-'
    assert subprocess.run(["sh", "-c", shell, says], capture_output=True, text=True, check=True).stdout == "done\n"
