"""EfficientSAM: its layers against others' and against plain arithmetic, its prompts, its files."""

import math

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
import yaml
from small_sam import build_small_efficient_sam

from bench.config.folders import conf_dir
from bench.models.efficient_sam import ARCHITECTURES, EfficientSam
from bench.models.efficient_sam_network import Encoder
from bench.types import BenchError, Frame, Prompt


def args_of(name, **changes):
    part = yaml.safe_load((conf_dir() / "model" / f"{name}.yaml").read_text())
    return part["args"] | changes


def prompt_of(points, labels, box=None):
    return Prompt(
        points=np.array(points, np.float32).reshape(-1, 2),
        labels=np.array(labels, np.int64),
        box=None if box is None else np.array(box, np.float32),
    )


@pytest.fixture
def network():
    return build_small_efficient_sam()


def test_the_encoder_is_a_plain_vit():
    """On images of the size that it was learnt on timm's, which has the same names."""
    torch.manual_seed(1)
    ours = Encoder(48, 4, 3, 32)
    torch.nn.init.normal_(ours.pos_embed, std=0.2)
    theirs = timm.create_model(
        "vit_tiny_patch16_224", embed_dim=48, num_heads=4, depth=3, num_classes=0,
        class_token=False, global_pool="avg", fc_norm=False,
    ).eval()  # fmt: skip
    theirs.norm = torch.nn.Identity()
    state = {k: v for k, v in ours.state_dict().items() if not k.startswith("neck.")}
    state["pos_embed"] = state["pos_embed"][:, 1:]
    theirs.load_state_dict(state)
    image = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        tokens = theirs.forward_features(image).transpose(1, 2).reshape(2, 48, 14, 14)
        torch.testing.assert_close(ours(image), ours.neck(tokens), rtol=1e-4, atol=1e-5)


def test_positions_are_resized_to_other_images():
    ours = Encoder(8, 2, 1, 4)
    torch.nn.init.normal_(ours.pos_embed)
    grid = ours.pos_embed[:, 1:].reshape(1, 14, 14, 8).permute(0, 3, 1, 2)
    seen = []
    ours.blocks.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    torch.nn.init.zeros_(ours.patch_embed["proj"].weight)
    torch.nn.init.zeros_(ours.patch_embed["proj"].bias)
    ours(torch.zeros(1, 3, 64, 64))
    expected = F.interpolate(grid, (4, 4), mode="bicubic", align_corners=False)
    torch.testing.assert_close(seen[0].transpose(1, 2).reshape(1, 8, 4, 4), expected)


def plain_decoder(state, features, points, labels, side):
    """The decoder of one prompt, written from the authors' equations with the weights by name."""

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])

    def mlp(x, name, inner):
        for i in range(inner):
            x = F.gelu(linear(x, f"{name}.layers.{i}.0"))
        return linear(x, f"{name}.fc")

    def attention(q, k, v, name):
        q, k, v = (linear(x, f"{name}.{n}_proj") for x, n in ((q, "q"), (k, "k"), (v, "v")))
        found = []
        for h in torch.arange(q.shape[-1]).chunk(8):
            weights = (q[:, h] @ k[:, h].T / math.sqrt(len(h))).softmax(-1)
            found.append(weights @ v[:, h])
        return linear(torch.cat(found, dim=1), f"{name}.out_proj")

    def encoded(xy):
        angles = 2 * np.pi * ((2 * xy - 1) @ state[f"{p}.pe_layer.{matrix}"])
        return torch.cat([angles.sin(), angles.cos()], dim=-1)

    p, matrix, m = "prompt_encoder", "positional_encoding_gaussian_matrix", "mask_decoder"
    _, channels, h, w = features.shape
    kinds = {-1: "invalid_points", 1: "point_embeddings", 2: "bbox_top_left_embeddings",
             3: "bbox_bottom_right_embeddings"}  # fmt: skip
    sparse = [
        encoded((xy + 0.5) / side) + (state[f"{p}.{kinds[k]}.weight"][0] if k in kinds else 0)
        for xy, k in zip(points, labels.tolist(), strict=True)
    ]
    y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    places = encoded(torch.stack([x / w, y / h], dim=-1)).reshape(h * w, channels)
    tokens = torch.cat([state[f"{m}.iou_token.weight"], state[f"{m}.mask_tokens.weight"],
                        torch.stack(sparse)])  # fmt: skip
    queries, keys = tokens, features[0].flatten(1).T
    for i in range(2):
        at = f"{m}.transformer.layers.{i}"
        queries = queries + tokens if i else queries
        queries = norm(
            queries + attention(queries, queries, queries, f"{at}.self_attn"), f"{at}.norm1"
        )
        seen = attention(queries + tokens, keys + places, keys, f"{at}.cross_attn_token_to_image")
        queries = norm(queries + seen, f"{at}.norm2")
        queries = norm(queries + mlp(queries, f"{at}.mlp", 1), f"{at}.norm3")
        told = attention(
            keys + places, queries + tokens, queries, f"{at}.cross_attn_image_to_token"
        )
        keys = norm(keys + told, f"{at}.norm4")
    last = f"{m}.transformer.final_attn_token_to_image"
    queries = norm(
        queries + attention(queries + tokens, keys + places, keys, last),
        f"{m}.transformer.norm_final_attn",
    )
    up = f"{m}.final_output_upscaling_layers"
    fine = keys.T.reshape(1, channels, h, w)
    fine = F.conv_transpose2d(fine, state[f"{up}.0.0.weight"], state[f"{up}.0.0.bias"], stride=2)
    fine = F.gelu(F.group_norm(fine, 1, state[f"{up}.0.1.weight"], state[f"{up}.0.1.bias"]))
    fine = F.conv_transpose2d(fine, state[f"{up}.1.0.weight"], state[f"{up}.1.0.bias"], stride=2)
    fine = F.gelu(fine)[0]
    masks = [
        torch.einsum(
            "c,chw->hw", mlp(queries[1 + i], f"{m}.output_hypernetworks_mlps.{i}", 2), fine
        )
        for i in range(4)
    ]
    return torch.stack(masks), mlp(queries[0], f"{m}.iou_prediction_head", 2)


@pytest.mark.parametrize(
    ("points", "labels", "box"),
    [
        ([[20, 30]], [1], None),
        ([[20, 30], [70, 8], [3, 44]], [1, 0, 1], None),
        ([], [], [10, 5, 60, 40]),
        ([[20, 30]], [0], [10, 5, 60, 40]),
    ],
)
@pytest.mark.parametrize("multimask", [True, False])
def test_it_answers_as_its_equations_say(network, make_image, site, points, labels, box, multimask):
    image = make_image(50, 90, 3)
    model = EfficientSam.of(network, site)
    found = model.predict(model.embed([image]), [prompt_of(points, labels, box)], multimask)
    side = network.side
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    squashed = F.interpolate(pixels, (side, side), mode="bilinear", align_corners=False)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normal = (squashed - mean[:, None, None]) / std[:, None, None]
    corners = [] if box is None else [box[:2], box[2:]]
    places = torch.tensor([*corners, *points], dtype=torch.float32)
    places = places * side / torch.tensor([90.0, 50.0])
    kinds = torch.tensor([*([2, 3] if corners else []), *labels])
    places = F.pad(places, (0, 0, 0, 6 - len(places)), value=-1.0)
    kinds = F.pad(kinds, (0, 6 - len(kinds)), value=-1)
    with torch.inference_mode():
        features = network.embed(normal)
        masks, estimates = plain_decoder(network.state_dict(), features, places, kinds, side)
    wanted = slice(1, 4) if multimask else slice(0, 1)
    expected = F.interpolate(masks[None, wanted], (50, 90), mode="bicubic", align_corners=False)[0]
    torch.testing.assert_close(found.logits[0], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.predicted_iou[0], estimates[wanted], rtol=1e-4, atol=1e-5)
    assert list(found.frames) == [Frame.identity((50, 90))]


def test_more_than_six_points_are_refused(network, make_image, site):
    model = EfficientSam.of(network, site)
    embeddings = model.embed([make_image(50, 90, 3)])
    model.predict(embeddings, [prompt_of([[1, 2]] * 4, [1] * 4, [1, 2, 30, 40])], True)
    for count, box in ((7, None), (5, [1, 2, 30, 40])):
        with pytest.raises(BenchError, match="takes 6 points, a box being two, found 7"):
            model.predict(embeddings, [prompt_of([[1, 2]] * count, [1] * count, box)], True)


@pytest.mark.parametrize(
    ("name", "arch"), [("efficient_sam_ti", "vitt"), ("efficient_sam_s", "vits")]
)
def test_a_checkpoint_is_taken_strictly(name, arch, tmp_path, site):
    with torch.device("meta"):
        network = ARCHITECTURES[arch]()
    weights = {k: torch.zeros(()).expand(v.shape) for k, v in network.state_dict().items()}
    about = yaml.safe_load((conf_dir() / "model" / f"{name}.yaml").read_text())["about"]
    for part, key in ((network, "parameters"), (network.image_encoder, "encoder_parameters")):
        assert f"{sum(p.numel() for p in part.parameters()):,}".replace(",", " ") == about[key]
    path = tmp_path / "own.pt"
    args = args_of(name, checkpoint=str(path))
    torch.save({"model": weights}, path)  # as the authors save it
    EfficientSam.check_files(args, site)
    assert set(EfficientSam.pin(args, site)) == {"arch", "sha256"}
    gone = "prompt_encoder.invalid_points.weight"
    torch.save({k: v for k, v in weights.items() if k != gone}, path)
    with pytest.raises(BenchError, match=f"1 missing: {gone}$"):
        EfficientSam.check_files(args, site)
    torch.save(weights, path)
    other = args | {"arch": "vits" if arch == "vitt" else "vitt"}
    with pytest.raises(BenchError, match=f"it looks like {arch}$"):
        EfficientSam.check_files(other, site)
    with pytest.raises(BenchError, match=r"size and hash are not both known.*checkpoint=FILE"):
        EfficientSam.pin(args_of(name), site)


@pytest.mark.long
def test_the_published_size_runs(make_image, site, tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = ARCHITECTURES["vitt"]()
    path = tmp_path / "own.pt"
    torch.save(network.state_dict(), path)
    model = EfficientSam(**args_of("efficient_sam_ti", checkpoint=str(path)), site=site)
    assert model.facts["weights"] == "own file"
    image = make_image(50, 90, 3)
    (embedding,) = model.embed([image])
    assert embedding.features[0].shape == (1, 256, 64, 64)
    answer = model.predict([embedding], [prompt_of([[20, 30]], [1])], True)
    assert answer.logits[0].shape == (3, 50, 90)
