"""Embeddings of several tensors on the disk: they answer as the fresh ones, to the last bit."""

import pytest
import torch
from some_prompts import some_prompts
from tiny_transformers import SIDES, write_tiny

from bench.config.composing import load_component
from bench.models.abilities import KeepsEmbeddings
from bench.models.exported import Exported
from bench.models.exporting import export_sam
from bench.models.several_features import dense
from bench.models.transformers_models import FAMILIES
from bench.models.transformers_sam import TransformersSam
from bench.run.embeddings.files import EmbeddingFiles
from bench.types import Site

OFFLINE = Site(download=False)
SIZES = [(41, 90), (70, 33)]


@pytest.fixture(scope="module", params=[*SIDES, "exported"])
def model(request, small_sam, tmp_path_factory):
    """A model whose embeddings are kept; its mask logits are 32×32."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "exported":
        return Exported(**export_sam(small_sam, folder, "torchscript"), site=OFFLINE)
    weights = str(write_tiny(request.param, folder / "weights"))
    return TransformersSam(request.param, None, None, weights, site=OFFLINE)


def test_a_kept_embedding_answers_as_the_fresh_one(model, make_image, tmp_path):
    assert isinstance(model, KeepsEmbeddings)
    files = EmbeddingFiles(tmp_path, 10**9)
    for number, size in enumerate(SIZES):
        (fresh,) = model.embed([make_image(*size, number)])
        files.write(str(size), model.pack(fresh))
        kept = model.unpack(files.read(str(size)))
        assert kept.image_size == size
        for a, b in zip(fresh.features, kept.features, strict=True):
            assert torch.equal(a, b)
            assert a.stride() == b.stride()
        prompts = some_prompts(8, size, 32, number)
        for multimask in (True, False):
            before, after = (model.predict([e] * 8, prompts, multimask) for e in (fresh, kept))
            assert torch.equal(before.logits, after.logits)
            assert torch.equal(before.predicted_iou, after.predicted_iou)
            assert before.frames == after.frames


def test_tensors_that_are_no_embedding_are_refused(model, make_image):
    packed = dict(model.pack(model.embed([make_image(41, 90, 1)])[0]))
    for key, tensor in packed.items():
        for other in (tensor.double(), tensor.flatten()[:1], None):
            changed = {k: v for k, v in (packed | {key: other}).items() if v is not None}
            with pytest.raises(ValueError, match=r"no (features|sizes)"):
                model.unpack(changed)
    with pytest.raises(ValueError, match="no features of this model"):
        model.unpack(packed | {"features_9": packed["features_0"]})


def test_what_the_decoder_attends_to_has_its_shape(model, make_image):
    packed = dict(model.pack(model.embed([make_image(41, 90, 1)])[0]))
    narrowed = {key: value[..., :-1] for key, value in packed.items() if value.ndim > 1}
    with pytest.raises(ValueError, match="no features"):
        model.unpack(packed | narrowed)


def test_the_bytes_told_before_are_those_of_the_published_sizes():
    """4.2, 16.8 and 21.2 MB; of SAM-HQ the largest."""
    told = {arch: family.embedding_bytes for arch, family in FAMILIES.items()}
    assert {arch: round(size / 1e6, 1) for arch, size in told.items()} == {
        "sam": 4.2, "sam_hq": 25.2, "sam2": 16.8, "edgetam": 16.8, "sam3_tracker": 21.2,
    }  # fmt: skip
    args = load_component("model", "sam2_1_hiera_tiny").args
    assert TransformersSam.embedding_bytes(args) == told["sam2"]
    one = {"size": 1024, "features": {"a": "a"}}
    assert Exported.embedding_bytes(one) == told["sam"]
    assert Exported.embedding_bytes(one | {"features": dict.fromkeys("abc", "x")}) == told["sam2"]


@pytest.mark.parametrize(
    ("tensor", "strides"),
    [
        (torch.zeros(2, 3, 4), (12, 4, 1)),
        (torch.zeros(2, 3, 4).permute(2, 0, 1), (1, 12, 4)),
        (torch.zeros(2, 3, 4)[1], (4, 1)),
        (torch.zeros(2, 3, 4)[..., ::2], (6, 2, 1)),
        (torch.zeros(3, 1).expand(3, 4), (4, 1)),
        (torch.zeros(1, 5, 1).transpose(0, 2), (1, 1, 5)),
        (torch.tensor(3.0), ()),
    ],
)
def test_only_memory_with_gaps_is_copied(tensor, strides, tmp_path):
    found = dense(tensor)
    assert torch.equal(found, tensor)
    assert found.stride() == strides
    files = EmbeddingFiles(tmp_path, 10**9)
    files.write("a", {"a": found})
    assert files.read("a")["a"].stride() == strides
