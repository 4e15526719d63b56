"""LoRA weights of peft, merged into the model that they were trained on."""

import copy
import json
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from some_prompts import some_prompts
from tiny_transformers import write_tiny

from bench.models.lora import merge_adapter
from bench.models.sam_segmenter import SamSegmenter
from bench.models.transformers_sam import TransformersSam
from bench.types import BenchError, Site

OFFLINE = Site(download=False)
pytestmark = [
    pytest.mark.long,  # peft takes seconds to import
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A tiny SAM, and an adapter of it that moves the attention of its encoder."""
    from peft import LoraConfig, get_peft_model
    from transformers import SamModel

    folder = tmp_path_factory.mktemp("lora")
    write_tiny("sam", folder / "weights")
    model = SamModel.from_pretrained(folder / "weights")
    wrapped = get_peft_model(model, LoraConfig(r=2, target_modules=["qkv"]))
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.3)
    wrapped.save_pretrained(folder / "adapter")
    return folder


def loaded(folders, **more):
    return TransformersSam("sam", None, None, str(folders / "weights"), **more, site=OFFLINE)


def test_a_merged_adapter_answers_as_peft_does(folders, make_image):
    from peft import PeftModel
    from transformers import SamModel

    plain, merged = loaded(folders), loaded(folders, adapter=str(folders / "adapter"))
    base = SamModel.from_pretrained(folders / "weights", dtype=torch.float32)
    wrapped = PeftModel.from_pretrained(base, folders / "adapter").eval()
    image = make_image(41, 90, 1)
    pixels = merged._canvas.tensor(image)[None]
    with torch.inference_mode():
        expected = wrapped.get_image_embeddings(pixels)[0]
    (found,), (before,) = merged.embed([image]), plain.embed([image])
    scale = float(expected.std())
    assert torch.allclose(found.features[0], expected, rtol=0, atol=1e-4 * scale)
    assert (found.features[0] - before.features[0]).abs().max() > 0.01 * scale
    assert merged.facts["parameters"] == plain.facts["parameters"]


def test_the_adapter_is_in_the_identity(folders):
    args = {"arch": "sam", "folder": str(folders / "weights")}
    plain = TransformersSam.pin(args, OFFLINE)
    merged = TransformersSam.pin(args | {"adapter": str(folders / "adapter")}, OFFLINE)
    assert merged["sha256"] == plain["sha256"]
    assert len(merged["adapter"]) == 64
    model = loaded(folders, adapter=str(folders / "adapter"))
    assert model.facts["adapter_sha256"] == merged["adapter"]


def test_an_adapter_of_segment_anything_is_merged(small_sam, tmp_path, make_image):
    from peft import LoraConfig, PeftModel, get_peft_model

    wrapped = get_peft_model(
        copy.deepcopy(small_sam), LoraConfig(r=2, target_modules=["qkv", "q_proj"])
    )
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.3)
    wrapped.save_pretrained(tmp_path)
    merged = SamSegmenter(merge_adapter(copy.deepcopy(small_sam), tmp_path), OFFLINE)
    peft = PeftModel.from_pretrained(copy.deepcopy(small_sam), tmp_path).eval()
    theirs, plain = (SamSegmenter(sam, OFFLINE) for sam in (peft.base_model.model, small_sam))
    image = make_image(41, 90, 1)
    prompts = some_prompts(5, (41, 90), 32)
    a, b, c = (
        m.predict(m.embed([image]) * 5, prompts, True).logits for m in (merged, theirs, plain)
    )
    scale = float(b.std())
    assert torch.allclose(a, b, rtol=0, atol=1e-4 * scale)
    assert (a - c).abs().max() > 0.01 * scale


def test_without_peft_the_line_that_installs_it_is_given(folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(BenchError, match="merged by peft: pip install peft"):
        loaded(folders, adapter=str(folders / "adapter"))


def test_an_adapter_of_another_model_is_refused(folders, tmp_path):
    told = json.loads((folders / "adapter" / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(
        json.dumps(told | {"target_modules": ["no_such"]})
    )
    weights = (folders / "adapter" / "adapter_model.safetensors").read_bytes()
    (tmp_path / "adapter_model.safetensors").write_bytes(weights)
    with pytest.raises(BenchError, match="is no adapter of this model"):
        loaded(folders, adapter=str(tmp_path))


def test_an_adapter_that_lacks_tensors_is_refused(folders, tmp_path):
    (tmp_path / "adapter_config.json").write_bytes(
        (folders / "adapter" / "adapter_config.json").read_bytes()
    )
    tensors = load_file(folders / "adapter" / "adapter_model.safetensors")
    save_file(dict(list(tensors.items())[1:]), tmp_path / "adapter_model.safetensors")
    with pytest.raises(BenchError, match="no adapter of this model: Found missing adapter keys"):
        loaded(folders, adapter=str(tmp_path))


def test_an_adapter_that_lacks_files_is_refused(folders, tmp_path):
    with pytest.raises(BenchError, match=r"adapter_config\.json is needed \(no such file\)"):
        loaded(folders, adapter=str(tmp_path))
