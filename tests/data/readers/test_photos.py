"""The embedded photos: found in the installed package, and checked."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from bench.data.readers import photos
from bench.data.readers.photos import Photos, installed_pictures
from bench.demo import photos as installed
from bench.types import BenchError, Site

from .making import TRUTH, coco_content, picture, write_coco, write_coco_pictures


@pytest.fixture
def embedded(tmp_path, monkeypatch):
    """A stand-in for the annotations of the package and for the pictures of scikit-image."""
    write_coco_pictures(tmp_path)
    content = coco_content()
    for image in content["images"]:
        written = (tmp_path / "images" / image["file_name"]).read_bytes()
        image["sha256"] = hashlib.sha256(written).hexdigest()
    monkeypatch.setattr(photos, "ANNOTATIONS", write_coco(tmp_path, content))
    monkeypatch.setattr(photos, "installed_pictures", lambda: tmp_path / "images")
    return tmp_path


def test_photos_are_read_as_coco_without_a_datasets_folder(embedded):
    reader = Photos(site=Site(datasets=embedded / "no"))
    assert reader.ids() == ["2", "10"]
    sample = reader.read("10")
    assert np.array_equal(sample.image, picture())
    assert np.array_equal(sample.targets[1].mask.dense(), TRUTH["hole"])
    assert reader.fingerprint() == Photos(site=Site()).fingerprint()


def test_another_picture_is_refused(embedded):
    (embedded / "images" / "b.png").write_bytes(b"another")
    with pytest.raises(BenchError, match=r"b\.png: not the picture .* sha256"):
        Photos(site=Site())


def test_a_picture_that_the_installed_version_lacks(embedded):
    (embedded / "images" / "b.png").unlink()
    with pytest.raises(BenchError, match=r"b\.png: this scikit-image does not bring"):
        Photos(site=Site())


def test_without_scikit_image_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(installed, "find_spec", lambda name: None)
    with pytest.raises(BenchError, match=r"pip install 'sam-bench\[demo\]'"):
        Photos(site=Site())


def test_scikit_image_is_found_but_not_imported():
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    asked = (
        "import sys; from bench.data.readers.photos import installed_pictures as there;"
        "print(there()); print('skimage' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert said.stdout.split() == [str(installed_pictures()), "False"]


def test_the_real_photos():
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    reader = Photos(site=Site())
    for image_id in reader.ids():
        sample = reader.read(image_id)
        assert sample.targets
        assert all(target.mask.area > 0 and target.category for target in sample.targets)
