"""From a request to a source: files that describe one, kinds that are recognised, sources that hold nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hmchain.records.sources.addresses import UnknownSourceError
from hmchain.records.sources.item import FHIR, IMAGE, EmptySourceError
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.recognition import recognised
from hmchain.records.sources.request import SourceFileError, SourceRequest, read_request
from support.health_records import ndjson, patient


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    for label in ("no", "yes"):
        (folder / label).mkdir(parents=True)
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / label / f"{label}.png")
    return folder


def test_paths_in_a_file_are_relative_to_it_and_addresses_are_not(tmp_path: Path) -> None:
    described = tmp_path / "source.toml"
    described.write_text('place = "export"\npatients = "ids.txt"\nschema = "omop"\npatients_from = "folders"\n')
    read = read_request(str(described))
    assert (read.place, read.patients) == (str(tmp_path / "export"), str(tmp_path / "ids.txt"))
    assert (read.schema, read.patients_from, read.ca_file) == ("omop", "folders", "")
    described.write_text('place = "mllp://127.0.0.1:2575"\nschema = "/etc/columns.toml"\n')
    read = read_request(str(described))
    assert (read.place, read.schema) == ("mllp://127.0.0.1:2575", "/etc/columns.toml")
    assert read_request("/mnt/mri") == SourceRequest(place="/mnt/mri")


@pytest.mark.parametrize(
    ("text", "what"), [('place = "x"\nkindd = "fhir"', "kindd"), ("place = 5", "place"), ("place", "source.toml")]
)
def test_a_file_that_describes_no_source_says_which_entry(tmp_path: Path, text: str, what: str) -> None:
    described = tmp_path / "source.toml"
    described.write_text(text)
    with pytest.raises(SourceFileError, match=what):
        read_request(str(described))
    with pytest.raises(SourceFileError, match="cannot be read"):
        read_request(str(tmp_path / "other.toml"))


def test_a_kind_is_recognised_and_a_mixture_is_asked_about(tmp_path: Path, pictures: Path) -> None:
    assert recognised(pictures) == IMAGE
    (tmp_path / "all.ndjson").write_bytes(ndjson([patient(1)]))
    assert recognised(tmp_path / "all.ndjson") == FHIR
    with pytest.raises(UnknownSourceError, match="several kinds"):
        recognised(tmp_path)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(EmptySourceError, match="no files"):
        recognised(tmp_path / "nothing")


def test_a_source_is_begun_once_and_says_what_it_passed_over(pictures: Path) -> None:
    (pictures / "notes.txt").write_text("nothing to see")
    with open_source(SourceRequest(place=str(pictures))) as source:
        assert (source.kind, source.described) == (IMAGE, "image: a folder")
        items = list(source.filled().items(lambda mark: False))
        assert [item.label for item in items] == ["", ""] and source.unlabelled_folders() == 2
        assert source.passed_over() == {"not an image": 1}
    with open_source(SourceRequest(place=str(pictures), labels_from="folders")) as source:
        assert [item.label for item in source.filled().items(lambda mark: False)] == ["no", "yes"]


def test_a_source_without_items_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")
    empty = pytest.raises(EmptySourceError, match="nothing to extract")
    with open_source(SourceRequest(place=str(tmp_path), kind=IMAGE)) as source, empty as failure:
        source.filled()
    assert "not an image" in failure.value.hint


def test_labels_are_for_pictures_alone(tmp_path: Path) -> None:
    (tmp_path / "all.ndjson").write_bytes(ndjson([patient(1)]))
    request = SourceRequest(place=str(tmp_path / "all.ndjson"), labels_from="folders")
    with pytest.raises(UnknownSourceError, match="for pictures alone"), open_source(request):
        pass
