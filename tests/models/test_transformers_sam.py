"""The models of transformers against the authors' own code and against the library by hand."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from some_prompts import SIZES, some_prompts
from tiny_transformers import SIDES, build_tiny, write_as, write_tiny

import bench
from bench.models.sam_segmenter import SamSegmenter
from bench.models.transformers_models import CLAMP, FAMILIES, mend_hq_decoder
from bench.models.transformers_sam import TransformersSam
from bench.types import BenchError, Prompt, Site, UnfitImageError

OFFLINE = Site(download=False)


def loaded(arch, folder, **more):
    return TransformersSam(arch, None, None, str(folder), site=more.pop("site", OFFLINE), **more)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Makes the folder of a tiny model, once."""
    made = {}

    def folder(arch):
        if arch not in made:
            made[arch] = write_tiny(arch, tmp_path_factory.mktemp(arch) / "weights")
        return made[arch]

    return folder


@pytest.fixture
def copied(tiny, tmp_path):
    """A copy of a tiny SAM's folder, to be spoilt."""
    return Path(shutil.copytree(tiny("sam"), tmp_path / "copied"))


def iou(a, b):
    return float((a & b).sum() / (a | b).sum()) if (a | b).any() else 1.0


def assert_alike(ours, theirs, images, grid, count, upscale):
    """Two models give the same logits but for rounding, and the same masks."""
    off, equal, pixels = [], 0, 0
    for number, image in enumerate(images):
        size = image.shape[:2]
        y, x = np.mgrid[: size[0], : size[1]]
        target = torch.from_numpy(np.hypot(y - size[0] / 2, x - size[1] / 2) < min(size) / 3)
        prompts = some_prompts(count // len(images), size, grid, number)
        embedded = [(m, list(m.embed([image])) * len(prompts)) for m in (ours, theirs)]
        for multimask in (True, False):
            a, b = (m.predict(each, prompts, multimask) for m, each in embedded)
            assert list(a.frames) == list(b.frames)
            assert torch.allclose(a.logits, b.logits, rtol=0, atol=1e-4 * float(b.logits.std()))
            assert torch.allclose(a.predicted_iou, b.predicted_iou, rtol=0, atol=1e-5)
            for i in range(len(prompts)):
                for mine, other in zip(upscale(a, i) > 0, upscale(b, i) > 0, strict=True):
                    off.append(abs(iou(mine, target) - iou(other, target)))
                    equal += int((mine == other).sum())
                    pixels += mine.numel()
    assert np.mean(off) < 1e-4
    assert equal / pixels > 0.999


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.long)])
def test_sam_answers_as_segment_anything_with_the_same_weights(
    small_sam, tmp_path, make_image, upscale, count
):
    ours = loaded("sam", write_as(build_tiny("sam"), small_sam.state_dict(), tmp_path / "weights"))
    images = [make_image(*size, number) for number, size in enumerate(SIZES)]
    assert_alike(ours, SamSegmenter(small_sam, OFFLINE), images, 32, count, upscale)


@pytest.mark.slow
def test_sam_vit_b_answers_as_segment_anything_with_the_same_weights(tmp_path, make_image, upscale):
    """At its full size, with random weights."""
    from segment_anything import sam_model_registry
    from transformers import SamConfig, SamModel

    torch.manual_seed(5)
    sam = sam_model_registry["vit_b"]()
    for parameter in sam.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    folder = write_as(SamModel(SamConfig()), sam.state_dict(), tmp_path / "weights")
    images = [make_image(300, 451, 1), make_image(1300, 700, 2)]
    assert_alike(loaded("sam", folder), SamSegmenter(sam, OFFLINE), images, 256, 40, upscale)


def hq_sam():
    """The authors' own modules of SAM-HQ with random weights, of the tiny model's sizes."""
    with warnings.catch_warnings():  # timm's registry, which their package enters its models in
        warnings.simplefilter("ignore")
        from segment_anything_hq.modeling import (
            ImageEncoderViT,
            MaskDecoderHQ,
            PromptEncoder,
            Sam,
            TwoWayTransformer,
        )
    torch.manual_seed(3)
    sam = Sam(
        image_encoder=ImageEncoderViT(
            img_size=128, patch_size=16, embed_dim=32, depth=2, num_heads=2, mlp_ratio=2.0,
            out_chans=32, use_rel_pos=True, window_size=3, global_attn_indexes=(1,),
            norm_layer=lambda width: torch.nn.LayerNorm(width, eps=1e-6),
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=32, image_embedding_size=(8, 8), input_image_size=(128, 128),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoderHQ(
            transformer=TwoWayTransformer(depth=2, embedding_dim=32, mlp_dim=64, num_heads=4),
            transformer_dim=32, iou_head_hidden_dim=32, vit_dim=32,
        ),
        pixel_mean=[123.675, 116.28, 103.53],
        pixel_std=[58.395, 57.12, 57.375],
    )  # fmt: skip
    for parameter in sam.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.2)
    return sam.eval()


def hq_answers(sam, image, prompts, multimask, hq_token_only):
    """(N, h, w) logits and (N,) predicted IoU by the authors' own predictor."""
    from segment_anything_hq import SamPredictor

    predictor = SamPredictor(sam)
    predictor.set_image(image)
    found = [
        predictor.predict(
            point_coords=p.points if p.n_points else None,
            point_labels=p.labels if p.n_points else None,
            box=p.box,
            mask_input=None if p.mask_logits is None else p.mask_logits[None],
            multimask_output=multimask,
            hq_token_only=hq_token_only,
        )
        for p in prompts
    ]
    return np.stack([low[0] for _, _, low in found]), np.stack([iou[0] for _, iou, _ in found])


@pytest.mark.long
@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("hq_token_only", [True, False])
def test_sam_hq_answers_as_its_authors_code(tmp_path, make_image, multimask, hq_token_only):
    sam = hq_sam()
    folder = write_as(build_tiny("sam_hq"), sam.state_dict(), tmp_path / "weights")
    model = loaded("sam_hq", folder, hq_token_only=hq_token_only)
    image = make_image(70, 113, 1)
    prompts = some_prompts(10, (70, 113), 32)
    logits, predicted = hq_answers(sam, image, prompts, multimask, hq_token_only)
    found = model.predict(list(model.embed([image])) * 10, prompts, multimask)
    scale = float(logits.std())
    assert np.allclose(found.logits[:, 0], logits, rtol=0, atol=1e-5 * scale)
    assert found.logits.shape[1] == found.predicted_iou.shape[1] == 1
    if not (hq_token_only and multimask):  # there the authors give the IoU of the best of SAM's
        assert np.allclose(found.predicted_iou[:, 0], predicted, rtol=0, atol=1e-5)


@pytest.mark.long
def test_the_library_still_needs_the_mend_of_sam_hq(tmp_path, make_image):
    """Fails when the library is mended: then ``mend_hq_decoder`` and its fact can go."""
    from transformers import SamHQModel

    sam = hq_sam()
    folder = write_as(build_tiny("sam_hq"), sam.state_dict(), tmp_path / "weights")
    library = SamHQModel.from_pretrained(folder, dtype=torch.float32)
    mended = loaded("sam_hq", folder)
    image = make_image(70, 113, 1)
    (prompt,) = prompts = some_prompts(1, (70, 113), 32)
    (embedding,) = mended.embed([image])
    features, block = (each[None] for each in embedding.features)
    points = torch.from_numpy(mended._canvas.scaled(prompt.points, (70, 113)))[None, None]
    given = {
        "image_embeddings": features,
        "intermediate_embeddings": [block],
        "input_points": points,
        "input_labels": torch.ones(1, 1, 1, dtype=torch.int32),
        "multimask_output": False,
    }
    theirs, _ = hq_answers(sam, image, prompts, False, False)
    with torch.inference_mode():
        before = library(**given).pred_masks[0, 0].numpy()
        mend_hq_decoder(library.mask_decoder)
        after = library(**given).pred_masks[0, 0].numpy()
    assert np.abs(before - theirs).max() > 0.05 * theirs.std()
    assert np.abs(after - theirs).max() < 1e-4 * theirs.std()


def test_the_library_still_has_another_epsilon_than_the_authors():
    """Fails when the library is mended: then the epsilon and its fact can go."""
    from segment_anything.modeling.transformer import TwoWayAttentionBlock
    from transformers import SamHQConfig, SamModel

    assert SamHQConfig().mask_decoder_config.layer_norm_eps == 1e-6
    assert SamModel.config_class().mask_decoder_config.layer_norm_eps == 1e-6
    assert TwoWayAttentionBlock(8, 1).norm1.eps == 1e-5


@pytest.mark.parametrize("arch", ["sam", pytest.param("sam_hq", marks=pytest.mark.long)])
def test_the_decoder_has_the_authors_epsilon_whatever_the_configuration_says(tiny, arch):
    """A published config.json spells the library's default out."""
    model = loaded(arch, tiny(arch))
    blocks = model._model.mask_decoder.transformer.layers
    assert {norm.eps for b in blocks for norm in (b.layer_norm1, b.layer_norm4)} == {1e-5}
    assert "1e-5" in model.facts["unlike_transformers"]


@pytest.mark.long
@pytest.mark.parametrize("arch", ["sam2", "edgetam", "sam3_tracker"])
def test_the_library_still_rounds_pictures_and_clamps_nothing(tiny, arch, make_image):
    """Fails when the library is mended: then the float resize or the clamp can go."""
    processor, model = by_hand(arch, tiny(arch))
    image = make_image(150, 333, 1)
    rounded = processor(images=image, input_data_format="channels_last", return_tensors="pt")
    ours = loaded(arch, tiny(arch))._canvas.tensor(image)
    level = 1 / 255 / min(FAMILIES[arch].colours[1])
    off = (rounded["pixel_values"][0] - ours).abs().max()
    assert 0.3 * level < off < 1.1 * level
    side = SIDES[arch]
    steep = 60 * torch.from_numpy(some_prompts(5, (9, 9), 32)[4].mask_logits / 8)[None, None]
    with torch.inference_mode():
        embeddings = model.get_image_embeddings(torch.zeros(1, 3, side, side))
        given = {
            "image_embeddings": embeddings,
            "input_points": torch.full((1, 1, 1, 2), 20.0),
            "input_labels": torch.ones(1, 1, 1, dtype=torch.int32),
        }
        a = model(**given, input_masks=steep).pred_masks
        b = model(**given, input_masks=steep.clamp(-CLAMP, CLAMP)).pred_masks
    assert (a - b).abs().max() > 1e-3


def by_hand(arch, folder):
    """The library's processor and model, as its documentation uses them."""
    import transformers
    from transformers import Sam2ImageProcessor, Sam2Processor, Sam3ImageProcessor
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    side = SIDES[arch]
    square = {"height": side, "width": side}
    if FAMILIES[arch].resize == "longest_side":
        images = SamImageProcessorPil(size={"longest_edge": side}, pad_size=square)
        processor = (transformers.SamProcessor if arch == "sam" else transformers.SamHQProcessor)(
            images
        )
    else:
        kind = Sam3ImageProcessor if arch == "sam3_tracker" else Sam2ImageProcessor
        processor = Sam2Processor(kind(size=square), target_size=side)
    model_class = getattr(transformers, FAMILIES[arch].model)
    model = model_class.from_pretrained(folder, dtype=torch.float32)
    if arch in ("sam", "sam_hq"):
        for block in model.mask_decoder.transformer.layers:
            for norm in (f"layer_norm{i}" for i in range(1, 5)):
                getattr(block, norm).eps = 1e-5
    if arch == "sam_hq":
        mend_hq_decoder(model.mask_decoder)
    return processor, model


@torch.inference_mode()
def answered_by_hand(arch, processor, model, image, prompt, multimask):
    """Low-resolution logits (K, h, w), predicted IoU (K,) and logits on the image (K, H, W)."""
    floats = FAMILIES[arch].resize == "squash"
    pixels = torch.from_numpy(image).permute(2, 0, 1).float() if floats else image
    cues = {}
    if prompt.n_points:
        cues["input_points"] = [[prompt.points.tolist()]]
        cues["input_labels"] = [[prompt.labels.tolist()]]
    if prompt.box is not None:
        cues["input_boxes"] = [[prompt.box.tolist()]]
    inputs = processor(
        images=pixels,
        input_data_format="channels_first" if floats else "channels_last",
        return_tensors="pt",
        **cues,
    )
    sizes = [inputs.pop("original_sizes")]
    if not floats:
        sizes.append(inputs.pop("reshaped_input_sizes"))
    if prompt.mask_logits is not None:
        fed = torch.from_numpy(prompt.mask_logits)[None, None]
        inputs["input_masks"] = fed.clamp(-CLAMP, CLAMP) if FAMILIES[arch].clamps else fed
    inputs = {k: v.float() if v.is_floating_point() else v for k, v in inputs.items()}
    found = model(**inputs, multimask_output=multimask)
    full = processor.post_process_masks(found.pred_masks, *sizes, binarize=False)
    return found.pred_masks[0, 0], found.iou_scores[0, 0], full[0][0]


@pytest.mark.long
@pytest.mark.parametrize("arch", SIDES)
def test_answers_as_the_library_by_hand_over_three_rounds(tiny, arch, make_image, upscale):
    ours = loaded(arch, tiny(arch))
    processor, model = by_hand(arch, tiny(arch))
    for number, size in enumerate(SIZES):
        image = make_image(*size, number)
        (embedding,) = ours.embed([image])
        for first in some_prompts(5, size, 32, number)[:4]:
            prompt, rng = first, np.random.default_rng(number)
            for step in range(3):
                multimask = step == 0
                found = ours.predict([embedding], [prompt], multimask)
                low, score, full = answered_by_hand(
                    arch, processor, model, image, prompt, multimask
                )
                k = found.logits.shape[1]
                scale = 1e-4 * float(low.std())
                assert torch.allclose(found.logits[0], low[:k], rtol=0, atol=scale)
                assert torch.allclose(found.predicted_iou[0], score[:k], rtol=0, atol=1e-5)
                assert torch.allclose(upscale(found, 0), full[:k], rtol=0, atol=2 * scale)
                best = int(found.predicted_iou[0].argmax())
                click = rng.uniform(0, 1, (1, 2)) * [size[1] - 1, size[0] - 1]
                prompt = Prompt(
                    points=np.concatenate([prompt.points, click.astype(np.float32)]),
                    labels=np.append(prompt.labels, step % 2),
                    box=prompt.box,
                    mask_logits=40 * found.logits[0, best].numpy(),  # beyond the clamp
                )


@pytest.mark.long
@pytest.mark.parametrize("arch", SIDES)
def test_a_batch_answers_as_one_by_one(tiny, arch, make_image):
    """What an accelerator does: images of several sizes and prompts of one structure at once."""
    model = loaded(arch, tiny(arch))
    images = [make_image(*size, i) for i, size in enumerate(SIZES)]
    prompts = [p for size in SIZES for p in some_prompts(5, size, 32)]
    embeddings = [e for e in model.embed(images) for _ in range(5)]
    alone = model.predict(embeddings, prompts, True)
    model._prompt_batch = model._image_batch = 3
    together = [e for e in model.embed(images) for _ in range(5)]
    batch = model.predict(together, prompts, True)
    scale = 1e-4 * float(alone.logits.std())
    assert torch.allclose(alone.logits, batch.logits, rtol=0, atol=scale)
    assert torch.allclose(alone.predicted_iou, batch.predicted_iou, rtol=0, atol=1e-5)


YAMLS = {
    "sam": "slimsam_77",
    "sam_hq": "sam_hq_vit_b",
    "sam2": "sam2_1_hiera_tiny",
    "edgetam": "edgetam",
    "sam3_tracker": "sam3",
}


@pytest.mark.long
@pytest.mark.parametrize("arch", SIDES)
def test_runs_from_its_yaml_with_images_side_by_side_as_one_by_one(tiny, arch, tmp_path):
    found = [
        bench.evaluate(
            f"model.args.folder={tiny(arch)}",
            "model.args.sha256=null",
            "dataset.args.count=3",
            f"runtime.workers={workers}",
            "runtime.allow_degenerate='random weights'",
            model=YAMLS[arch],
            dataset="shapes",
            prompt="point_3",
            results=tmp_path / str(workers),
        )
        for workers in (1, 3)
    ]
    alone, together = (each.rows().sort_values(["prompt", "mask_id", "step"]) for each in found)
    assert not found[0].failed
    assert len(alone) > 20
    assert alone["iou"].nunique() > 5
    assert list(alone["iou"]) == list(together["iou"])


@pytest.mark.long
@pytest.mark.parametrize("arch", SIDES)
def test_half_precision_on_disk_is_read_into_float32(tiny, arch, tmp_path, make_image):
    model = build_tiny(arch).to(torch.bfloat16)
    model.save_pretrained(tmp_path / "half")
    found = loaded(arch, tmp_path / "half")
    assert {p.dtype for p in found._model.parameters()} == {torch.float32}
    (embedding,) = found.embed([make_image(41, 90, 1)])
    assert {each.dtype for each in embedding.features} == {torch.float32}


@pytest.mark.parametrize("height", [1, 3])
def test_pictures_as_high_as_they_have_colours(tiny, height, make_image):
    """The library takes such a one for channels first."""
    model = loaded("sam", tiny("sam"))
    (embedding,) = model.embed([make_image(height, 50, 1)])
    assert embedding.image_size == (height, 50)
    with pytest.raises(UnfitImageError, match="too narrow"):
        model.embed([make_image(1, 3000, 1)])


@pytest.mark.long
def test_the_stability_choice_is_the_checkpoints_until_told_otherwise(tiny, make_image):
    image = make_image(41, 90, 1)
    prompts = some_prompts(20, (41, 90), 32)
    own, off, on = (
        loaded("sam2", tiny("sam2"), stability_choice=choice) for choice in (None, False, True)
    )
    answers = [m.predict(list(m.embed([image])) * 20, prompts, False) for m in (own, off, on)]
    assert torch.equal(answers[0].logits, answers[2].logits)
    assert not torch.equal(answers[0].logits, answers[1].logits)
    args = {"arch": "sam2", "folder": str(tiny("sam2"))}
    pins = [TransformersSam.pin(args | more, OFFLINE) for more in ({}, {"stability_choice": False})]
    assert "stability_choice" not in pins[0]
    assert pins[1] == pins[0] | {"stability_choice": False}


def test_bfloat16_moves_products_and_no_coordinates(tiny, make_image):
    exact, half = (loaded("sam", tiny("sam"), dtype=d) for d in ("float32", "bfloat16"))
    image = make_image(41, 90, 1)
    prompt = some_prompts(1, (41, 90), 32)
    seen = []
    half._model.prompt_encoder.register_forward_hook(lambda _m, _i, out: seen.append(out[0].dtype))
    a, b = (m.predict(m.embed([image]), prompt, True).logits for m in (exact, half))
    assert seen == [torch.float32]
    assert a.dtype == b.dtype == torch.float32
    assert 1e-5 < (a - b).abs().max() / a.std() < 0.3


def test_facts_name_what_ran(tiny):
    import transformers

    facts = loaded("sam", tiny("sam")).facts
    assert facts["transformers"] == transformers.__version__
    assert facts["weights"] == "own folder"
    pinned = TransformersSam.pin({"arch": "sam", "folder": str(tiny("sam"))}, OFFLINE)
    assert pinned == {"arch": "sam", "sha256": facts["checkpoint_sha256"]}


def test_loading_spends_no_ones_seed_and_prints_nothing(tiny, capfd):
    before = torch.get_rng_state()
    loaded("sam", tiny("sam"))
    assert torch.equal(torch.get_rng_state(), before)
    assert capfd.readouterr() == ("", "")


def test_the_weights_of_another_configuration_have_another_hash(copied):
    args = {"arch": "sam", "folder": str(copied)}
    before = TransformersSam.pin(args, OFFLINE)
    config = copied / "config.json"
    config.write_text(config.read_text().replace('"gelu"', '"relu"'))
    assert TransformersSam.pin(args, OFFLINE)["sha256"] != before["sha256"]


def respell(folder, change):
    """Rewrites the tensors of a folder as ``change`` has them."""
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


def test_missing_tensors_are_refused(copied):
    respell(copied, lambda t: {k: v for k, v in t.items() if not k.startswith("vision_encoder.n")})
    with pytest.raises(BenchError, match=r"does not fit: 6 missing: vision_encoder\.neck\.conv1"):
        loaded("sam", copied)


def test_unexpected_tensors_are_refused(copied):
    respell(copied, lambda t: t | {"mask_decoder.more.weight": torch.zeros(2)})
    with pytest.raises(BenchError, match=r"does not fit: 1 unexpected: mask_decoder\.more\.weight"):
        loaded("sam", copied)


def test_tensors_of_another_shape_are_refused(copied):
    name = "mask_decoder.iou_token.weight"
    respell(copied, lambda t: t | {name: torch.zeros(1, 16)})
    with pytest.raises(BenchError, match=rf"{name} \(expected 1×32, found 1×16\)"):
        loaded("sam", copied)


def test_another_architecture_is_named_with_the_right_one(tiny):
    for use in (
        lambda: loaded("sam2", tiny("sam")),
        lambda: TransformersSam.check_files({"arch": "sam2", "folder": str(tiny("sam"))}, OFFLINE),
    ):
        with pytest.raises(
            BenchError, match=r"type 'sam', arch sam2 expects.*model\.args\.arch=sam$"
        ):
            use()
    with pytest.raises(BenchError, match="no architecture 'sam4'; did you mean"):
        loaded("sam4", tiny("sam"))


def test_another_preparation_of_pictures_is_refused(copied):
    (copied / "processor_config.json").write_text(
        '{"image_processor": {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.229, 0.224, 0.225]}}'
    )
    with pytest.raises(BenchError, match=r"trained with image_mean \[0\.5, 0\.5, 0\.5\]"):
        loaded("sam", copied)


@pytest.mark.parametrize(
    ("arch", "choice", "said"),
    [
        ("sam", {"hq_token_only": True}, "hq_token_only is a choice of arch sam_hq"),
        ("sam_hq", {"stability_choice": False}, "stability_choice is a choice of SAM 2"),
    ],
)
def test_choices_of_other_architectures_are_refused(arch, choice, said):
    with pytest.raises(BenchError, match=said):
        TransformersSam.pin({"arch": arch, **choice}, OFFLINE)


def test_without_the_library_the_line_that_installs_it_is_given(tiny, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    args = {"arch": "sam", "folder": str(tiny("sam"))}
    for use in (lambda: TransformersSam.pin(args, OFFLINE), lambda: loaded("sam", tiny("sam"))):
        with pytest.raises(BenchError, match=r"pip install 'sam-bench\[transformers\]'"):
            use()


def test_prompts_that_it_does_not_take(tiny, make_image):
    model = loaded("sam", tiny("sam"))
    embeddings = model.embed([make_image(41, 90, 1)])
    with pytest.raises(BenchError, match="a SamModel takes no text"):
        model.predict(embeddings, [Prompt(text="cat")], True)
    with pytest.raises(BenchError, match=r"must be 32×32.*found \(16, 16\)"):
        model.predict(embeddings, [Prompt(mask_logits=np.zeros((16, 16), np.float32))], True)
