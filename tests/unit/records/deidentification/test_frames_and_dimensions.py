"""Objects of many frames: which dimensions order them, and where each frame stands in them, is the same after."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, EnhancedCTImageStorage, EnhancedMRImageStorage

from hmchain.records.deidentification.profile import PixelRules, load_profile
from support.dicom_objects import clean, ct, deidentifier

ORGANISATION = "1.2.3.9"
PHILIPS = "Philips MR Imaging DD 005"
STACKS = ("1", "Brain Quince", "Left")


def entry(**values: Any) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, Sequence(value) if keyword.endswith("Sequence") else value)
    return made


def dimension(pointer: int, group: int, label: str, **values: str) -> Dataset:
    return entry(
        DimensionOrganizationUID=ORGANISATION,
        DimensionIndexPointer=pointer,
        FunctionalGroupPointer=group,
        DimensionDescriptionLabel=label,
        **values,
    )


def frame(number: int) -> Dataset:
    """One of two slices at one of two times in one of three stacks."""
    stack, time, slice_ = number // 4, number // 2 % 2, number % 2
    content = entry(
        DimensionIndexValues=[stack + 1, slice_ + 1, time + 1, time + 1, 1],
        StackID=STACKS[stack],
        InStackPositionNumber=slice_ + 1,
        TemporalPositionIndex=time + 1,
        FrameAcquisitionNumber=number + 1,
        FrameReferenceDateTime="20240229101112",
    )
    return entry(
        FrameContentSequence=[content],
        PlanePositionSequence=[entry(ImagePositionPatient=[0, 0, 3 * slice_])],
        MRDiffusionSequence=[entry(DiffusionBValue=1000.0 * time, DiffusionDirectionality="ISOTROPIC")],
    )


def many_frames(sop_class: UID, modality: str) -> FileDataset:
    before = ct(SOPClassUID=sop_class, Modality=modality, ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])
    before.file_meta.MediaStorageSOPClassUID = sop_class
    frames = [frame(number) for number in range(4 * len(STACKS))]
    before.NumberOfFrames, before.PixelData = len(frames), np.zeros((len(frames), 8, 8), "<u2").tobytes()
    before.DimensionOrganizationType = "3D"
    before.DimensionOrganizationSequence = Sequence([entry(DimensionOrganizationUID=ORGANISATION)])
    before.DimensionIndexSequence = Sequence([
        dimension(0x00209056, 0x00209111, "Stack ID"),
        dimension(0x00209057, 0x00209111, "In-Stack Position Number"),
        dimension(0x00209128, 0x00209111, "Temporal Position Index"),
        dimension(0x00189087, 0x00189117, "Diffusion b-value of Quince"),
        dimension(0x20051413, 0x2005140F, "Gradient", DimensionIndexPrivateCreator=PHILIPS,
                  FunctionalGroupPrivateCreator=PHILIPS),
    ])  # fmt: skip
    before.PerFrameFunctionalGroupsSequence = Sequence(frames)
    return before


@pytest.mark.parametrize(
    ("sop_class", "modality"), [(EnhancedMRImageStorage, "MR"), (EnhancedCTImageStorage, "CT")], ids=["MR", "CT"]
)
@pytest.mark.parametrize("profile", ["basic", "research", "tcia"])
def test_every_frame_keeps_its_place_in_every_dimension(profile: str, sop_class: UID, modality: str) -> None:
    before = many_frames(sop_class, modality)
    unlooked = msgspec.structs.replace(load_profile(profile), pixels=PixelRules(find_writing=False))
    after = clean(before, deidentifier(unlooked))
    organisation = after.DimensionOrganizationSequence[0].DimensionOrganizationUID
    assert organisation != ORGANISATION and after.DimensionOrganizationType == "3D"
    assert "Quince" not in str(after)
    for index, dimension_before in zip(after.DimensionIndexSequence, before.DimensionIndexSequence, strict=True):
        assert index.DimensionOrganizationUID == organisation
        for keyword in ("DimensionIndexPointer", "FunctionalGroupPointer", "DimensionIndexPrivateCreator"):
            assert index.get(keyword) == dimension_before.get(keyword)
    called: dict[str, set[str]] = {}
    frames = zip(after.PerFrameFunctionalGroupsSequence, before.PerFrameFunctionalGroupsSequence, strict=True)
    for group, group_before in frames:
        (content,), (content_before,) = group.FrameContentSequence, group_before.FrameContentSequence
        for keyword in ("DimensionIndexValues", "InStackPositionNumber", "TemporalPositionIndex"):
            assert content[keyword].value == content_before[keyword].value
        called.setdefault(content_before.StackID, set()).add(content.StackID)
        assert group.PlanePositionSequence == group_before.PlanePositionSequence
        assert group.MRDiffusionSequence == group_before.MRDiffusionSequence
    names = [name for found in called.values() for name in found]
    assert len(names) == len(set(names)) == len(STACKS), "frames of one stack go together, those of two do not"
