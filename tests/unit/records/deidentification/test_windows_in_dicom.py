"""What a viewer shows through the window of the header is looked at so: names that only show there are found."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom import FileDataset
from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, EnhancedMRImageStorage

from hmchain.records.deidentification.dicom import DicomDeidentifier
from hmchain.records.deidentification.dicom.reading import open_dicom
from hmchain.records.deidentification.dicom.windows import windows_of
from hmchain.records.deidentification.outcome import Clean
from hmchain.records.deidentification.profile import PixelRules, Profile
from hmchain.records.deidentification.writing.answer import Verdict, Writing
from hmchain.records.deidentification.writing.judging import through
from hmchain.records.deidentification.writing.planes import Shown
from support.dicom_objects import PSEUDONYMS, ct, held, outcome, written

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

LOOKING = DicomDeidentifier(Profile(name="t", title="", pixels=PixelRules(find_writing=True)), PSEUDONYMS)


def windows(dataset: FileDataset) -> tuple[Shown, ...]:
    return windows_of(open_dicom(io.BytesIO(written(dataset))))


def brain(name: str, contrast: int) -> FileDataset:
    """A head of 256 x 256 as CT shows it, in Hounsfield units less their intercept, and a name across the brain."""
    rows, columns = np.mgrid[-1:1:256j, -1:1:256j]
    around = rows**2 + (1.2 * columns) ** 2
    units = np.select([around < 0.6, around < 0.75], [35, 1300], -1000) + np.random.default_rng(4).normal(
        0, 3, (256, 256)
    )
    page = Image.new("L", (256, 256))
    ImageDraw.Draw(page).text((70, 110), name, fill=255, font=ImageFont.load_default(18))
    pixels = np.round(units + contrast * (np.asarray(page) / 255) + 1024).astype("<u2")
    head = ct(Rows=256, Columns=256, RescaleSlope="1", RescaleIntercept="-1024")
    head.PixelData = pixels.tobytes()
    return head


@pytest.mark.parametrize("said", [{"WindowCenter": ["40", "300"], "WindowWidth": ["80", "1500"]}, {}])
def test_a_name_that_shows_in_the_window_of_the_brain_alone_is_found(said: dict[str, Any]) -> None:
    slices = brain("", 0), brain("MEIER HANS", 15)
    for one in slices:
        for keyword, value in said.items():
            setattr(one, keyword, value)
    assert isinstance(outcome(written(slices[0]), LOOKING), Clean)
    assert held(slices[1], LOOKING).code in ("burned_in_text", "writing_suspected")


def table(first: int, values: list[int], vr: str = "US") -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", vr, [len(values), first, 8])
    item.add_new("LUTData", "OW", bytes(values))
    return item


def test_a_name_that_shows_in_the_table_of_a_radiograph_alone_is_found() -> None:
    ramp = [0] * 10 + list(range(0, 240, 3)) + [255] * 10
    films = brain("", 0), brain("MEIER HANS", 15)
    for one in films:
        one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
        one.Modality, one.VOILUTSequence = "DX", [table(14, ramp, "SS")]
        one.RescaleIntercept = "-1024"
    assert windows(films[0]) == ((1048, 1128),)
    assert isinstance(outcome(written(films[0]), LOOKING), Clean)
    assert held(films[1], LOOKING).code in ("burned_in_text", "writing_suspected")


@pytest.mark.parametrize("values", [[], [0], [7, 7, 7, 7]])
def test_a_table_that_shows_nothing_is_no_window(values: list[int]) -> None:
    film = ct(Modality="MR", SOPClassUID=EnhancedMRImageStorage, VOILUTSequence=[table(0, values)])
    assert windows(film) == ()


@pytest.mark.parametrize(
    ("values", "expected"),
    [({"WindowCenter": "40", "WindowWidth": "80", "RescaleIntercept": "-1024"}, [(1024, 1104)]),
     ({"WindowCenter": "40", "WindowWidth": "80", "RescaleSlope": "-2"}, [(-40, 0)]),
     ({"WindowCenter": "40", "WindowWidth": "80", "RescaleSlope": "0"}, [(0, 80)]),
     ({"WindowCenter": ["0", "35", "900", "40"], "WindowWidth": ["2000", "40", "100", "80"]}, [(15, 55), (850, 950)]),
     ({"WindowCenter": "40", "WindowWidth": "80", "PhotometricInterpretation": "PALETTE COLOR"}, []),
     ({"WindowCenter": "40", "WindowWidth": ["80", "-3"], "VOILUTFunction": "SIGMOID"}, [(0, 80)]),
     ({"WindowCenter": "40", "WindowWidth": "0"}, []), ({"WindowCenter": "nan", "WindowWidth": "1"}, []),
     ({"WindowCenter": "40", "WindowWidth": "inf"}, []), ({"WindowCenter": "x", "WindowWidth": "80"}, []),
     ({"WindowCenter": "40"}, []), ({"WindowCenter": "1E300", "WindowWidth": "1", "RescaleSlope": "1E-300"}, [])],
    ids=str,
)  # fmt: skip
def test_windows_are_those_of_samples_and_make_sense(values: dict[str, Any], expected: list[Shown]) -> None:
    image = ct(Modality="MR", SOPClassUID=EnhancedMRImageStorage, RescaleSlope="1", RescaleIntercept="0")
    for keyword, value in values.items():
        image.add_new(keyword, "LO", value)  # which says nothing about numbers
    assert list(windows(image)) == expected


def test_frames_have_windows_and_rescaling_of_their_own() -> None:
    def group(**macros: dict[str, str]) -> Dataset:
        made = Dataset()
        for name, values in macros.items():
            inner = Dataset()
            for keyword, value in values.items():
                setattr(inner, keyword, value)
            setattr(made, name, [inner])
        return made

    frames = ct(Modality="MR", SOPClassUID=EnhancedMRImageStorage, NumberOfFrames=3)
    frames.SharedFunctionalGroupsSequence = [
        group(PixelValueTransformationSequence={"RescaleSlope": "2", "RescaleIntercept": "100"})
    ]
    frames.PerFrameFunctionalGroupsSequence = [
        group(FrameVOILUTSequence={"WindowCenter": "200", "WindowWidth": "100"}),
        group(
            FrameVOILUTSequence={"WindowCenter": "5", "WindowWidth": "4"},
            PixelValueTransformationSequence={"RescaleSlope": "0.5", "RescaleIntercept": "0"},
        ),
        group(),
    ]
    assert windows(frames) == ((6, 14), (25, 75))


def test_only_a_window_that_is_narrow_among_the_values_costs_a_look() -> None:
    seen: list[Shown | None] = []

    def look(_: npt.NDArray[Any], shown: Shown | None = None) -> Writing:
        seen.append(shown)
        return Writing(Verdict.CLEAN)

    image = np.arange(10_000).reshape(100, 100)
    through(look, [(0, 10_000), (2_000, 3_000), (20_000, 20_010)])(image)
    assert seen == [None, (2_000, 3_000)]
