"""Selections by models: tiny random checkpoints, against transformers' classes run by hand."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import shell
import tiny_segmenters as tiny
import torch
import transformers
from PIL import Image

import editkit
from editkit import InputError, Mask, MaskError, ModelLoadError, UnknownModelError
from editkit.masks import shapes
from editkit.masks.checkpoints import BOXES, CUTS, DEFAULTS, FAMILIES, load_segmenter
from editkit.masks.model_input import model_frame, to_pixels
from editkit.masks.segment import detect, panoptic_objects
from editkit.masks.value import select_in
from editkit.models.base import Model
from editkit.photo.io.files import read_photo
from editkit.types import Coverage, Size

ndi: Any = scipy.ndimage  # whose stubs know no overloads
tf: Any = transformers  # whose signatures pyright reads by halves
SHA = "0123456789abcdef0123456789abcdef01234567"
MAKERS: dict[str, Callable[[Path], Path]] = {
    "clipseg": tiny.clipseg,
    "dino": tiny.grounding_dino,
    "sam": tiny.sam,
    "sam2": tiny.sam2,
    "eomt": lambda folder: tiny.eomt(folder, 6),
    "eomt133": lambda folder: tiny.eomt(folder, 133),
    "mask2former": tiny.mask2former,
    "owlv2": tiny.owlv2,
    "vitmatte": tiny.vitmatte,
    "sapiens2": tiny.sapiens2,
    "sapiens2-parts": lambda folder: tiny.sapiens2(folder, matting=False),
}


@pytest.fixture(scope="session")
def segmenters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny checkpoints on disk."""
    folder = tmp_path_factory.mktemp("segmenters")
    return {name: make(folder / name) for name, make in MAKERS.items()}


WIDE = np.asarray(shell.noise(9, 12).resize((84, 60), Image.Resampling.BICUBIC))
LARGE = np.asarray(shell.noise(9, 12).resize((168, 120), Image.Resampling.BICUBIC))
TALL = np.ascontiguousarray(np.rot90(WIDE))
PHOTOS = pytest.mark.parametrize("rgb", [WIDE, TALL], ids=["wide", "tall"])


def on(expression: str, rgb: np.ndarray) -> Coverage:
    return select_in(expression, read_photo(rgb))


def torch_map(values: torch.Tensor, size: tuple[int, ...]) -> np.ndarray:
    """A map (h, w) brought to a size."""
    wide = torch.nn.functional.interpolate(values[None, None], size, mode="bilinear")
    return wide[0, 0].numpy()


def is_a_mask(mask: np.ndarray, rgb: np.ndarray) -> None:
    """Of the photo's size, and neither empty nor full, which would prove nothing."""
    assert mask.shape == rgb.shape[:2]
    assert mask.dtype == np.float32
    assert 0.01 < mask.mean() < 0.99


@PHOTOS
@pytest.mark.parametrize(
    ("family", "name", "settings"),
    [
        ("clipseg", "ViT", tiny.CLIPSEG_SIZE),
        ("sam", "Sam", tiny.SAM_SIZE),
        ("grounding-dino", "GroundingDino", tiny.DINO_SIZE),
        ("grounding-dino", "GroundingDino", {"size": {"shortest_edge": 31, "longest_edge": 37}}),
        ("eomt", "Eomt", tiny.EOMT_SIZE),
        ("mask2former", "Mask2Former", tiny.MASK2FORMER_SIZE),
    ],
)
def test_models_see_what_their_processors_would_show(
    family: str, name: str, settings: dict[str, Any], rgb: np.ndarray
) -> None:
    mean = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    wanted = tiny.processor(name, **mean, **settings)(images=rgb, return_tensors="pt")
    frame = model_frame(Size(*rgb.shape[:2]), family, settings)
    found = to_pixels(rgb, frame, family, settings)
    assert found.shape == wanted["pixel_values"].shape
    assert torch.allclose(found, wanted["pixel_values"].float(), atol=1e-5)


@PHOTOS
def test_words_are_a_map_of_clipseg(segmenters: dict[str, Path], rgb: np.ndarray) -> None:
    folder = segmenters["clipseg"]
    model = tf.CLIPSegForImageSegmentation.from_pretrained(folder).eval()
    mean = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    seen = tiny.processor("ViT", **mean, **tiny.CLIPSEG_SIZE)(images=rgb, return_tensors="pt")
    words = tf.CLIPTokenizer.from_pretrained(folder)

    def likely(phrase: str) -> np.ndarray:
        with torch.inference_mode():
            told = model(**words([phrase], return_tensors="pt"), **seen)
        return torch_map(told.logits.reshape(32, 32).sigmoid(), rgb.shape[:2])

    dog, cat = likely("red dog"), likely("cat")
    assert np.abs(dog - cat).max() > 0.01
    given = f"model={folder}"
    assert np.allclose(on(f'text:"red dog",threshold=0,{given}', rgb), dog, atol=1e-5)
    cut = float(np.median(dog))
    mask = on(f'text:"red dog",threshold={cut},{given}', rgb)
    is_a_mask(mask, rgb)
    sure = np.abs(dog - cut) > 1e-4
    assert np.array_equal(mask[sure] > 0, (dog >= cut)[sure])
    assert np.array_equal(on(f'text:"red dog",{given}', rgb)[sure], (dog >= 0.4)[sure])
    # Phrases of different lengths are asked together, which must not change what each finds.
    either = on(f'text:"red dog, cat",threshold=0,{given}', rgb)
    assert np.allclose(either, np.maximum(dog, cat), atol=1e-5)


def by_hand(folder: Path, rgb: np.ndarray, given: dict[str, Any], *, many: bool) -> np.ndarray:
    """What SAM cuts out, by its own processor."""
    processor = tf.SamProcessor(tiny.processor("Sam", **tiny.SAM_SIZE))
    model = tf.SamModel.from_pretrained(folder).eval()
    seen = processor(rgb, return_tensors="pt", **given)
    sizes = seen.pop("original_sizes"), seen.pop("reshaped_input_sizes")
    if "input_points" in seen:
        seen["input_points"] = seen["input_points"].float()
    if "input_boxes" in seen:
        seen["input_boxes"] = seen["input_boxes"].float()
    with torch.inference_mode():
        told = model(**seen, multimask_output=many)
    masks = processor.image_processor.post_process_masks(told.pred_masks, *sizes)[0]
    best = told.iou_scores[0].argmax(-1)
    chosen = [mask[k] for mask, k in zip(masks, best, strict=True)]
    return torch.stack(chosen).any(0).numpy().astype(np.float32)


@PHOTOS
@pytest.mark.parametrize(
    ("written", "given", "many"),
    [
        ("20,30", {"input_points": [[[20.0, 30.0]]], "input_labels": [[1]]}, True),
        (
            "20,30,9,9,not=40/12",
            {"input_points": [[[20.0, 30], [9, 9], [40, 12]]], "input_labels": [[1, 1, 0]]},
            False,
        ),
        ("box=10/5/50/45", {"input_boxes": [[[10.0, 5, 50, 45]]]}, False),
        (
            "20,30,box=10/5/50/45",
            {
                "input_points": [[[20.0, 30]]],
                "input_labels": [[1]],
                "input_boxes": [[[10.0, 5, 50, 45]]],
            },
            False,
        ),
    ],
)
def test_points_and_boxes_are_cut_out_by_sam(
    segmenters: dict[str, Path], rgb: np.ndarray, written: str, given: dict[str, Any], *, many: bool
) -> None:
    folder = segmenters["sam"]
    mask = on(f"sam:{written},model={folder}", rgb)
    is_a_mask(mask, rgb)
    assert (mask != by_hand(folder, rgb, given, many=many)).mean() < 2e-3  # rounding, at edges


@PHOTOS
def test_sam_2_sees_the_photo_stretched(segmenters: dict[str, Path], rgb: np.ndarray) -> None:
    folder = segmenters["sam2"]
    height, width = rgb.shape[:2]
    small = np.asarray(Image.fromarray(rgb).resize((64, 64), Image.Resampling.BILINEAR)) / 255
    seen = torch.tensor((small - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225])
    model = tf.Sam2Model.from_pretrained(folder).eval()
    with torch.inference_mode():
        told = model(
            pixel_values=seen.permute(2, 0, 1)[None].float(),
            input_points=torch.tensor([[[[20 * 64 / width, 30 * 64 / height]]]]),
            input_labels=torch.tensor([[[1]]]),
        )
    best = told.pred_masks[0, 0, told.iou_scores[0, 0].argmax()]
    mask = on(f"sam:20,30,model={folder}", rgb)
    is_a_mask(mask, rgb)
    assert (mask != (torch_map(best, (height, width)) > 0)).mean() < 2e-3


@PHOTOS
def test_the_best_words_are_boxes_cut_out(segmenters: dict[str, Path], rgb: np.ndarray) -> None:
    folder = segmenters["dino"]
    model = tf.GroundingDinoForObjectDetection.from_pretrained(folder).eval()
    words = tf.AutoTokenizer.from_pretrained(folder)
    processor = tf.GroundingDinoProcessor(tiny.processor("GroundingDino", **tiny.DINO_SIZE), words)
    seen = processor(images=rgb, text="red dog. cat.", return_tensors="pt")
    with torch.inference_mode():
        told = model(**seen)
    scores = told.logits[0].sigmoid().amax(-1)
    threshold = float(scores.sort().values[-3:-1].mean())  # between two, so that two are found
    found = processor.post_process_grounded_object_detection(
        told, seen.input_ids, threshold=threshold, target_sizes=[rgb.shape[:2]]
    )[0]["boxes"]
    assert len(found) == 2
    wanted = by_hand(segmenters["sam"], rgb, {"input_boxes": [found.tolist()]}, many=False)
    options = f"model={folder},sam={segmenters['sam']}"
    mask = on(f'text:"Red dog, cat",best,threshold={threshold},{options}', rgb)
    is_a_mask(mask, rgb)
    assert (mask != wanted).mean() < 5e-3
    # A detector that is named needs no `best`; one that finds nothing selects nothing.
    assert np.array_equal(on(f'text:"red dog,cat",threshold={threshold},{options}', rgb), mask)
    assert not on(f'text:"red dog, cat",threshold=1,{options}', rgb).any()


@pytest.mark.parametrize(("name", "first"), [("eomt", 6), ("eomt133", 80)])
def test_objects_are_those_of_the_panoptic_rule(
    segmenters: dict[str, Path], name: str, first: int
) -> None:
    rgb = np.asarray(Image.fromarray(WIDE).resize((64, 64)))
    processor = tiny.processor("Eomt", **tiny.EOMT_SIZE)
    model = tf.EomtForUniversalSegmentation.from_pretrained(segmenters[name]).eval()
    with torch.inference_mode():
        told = model(processor(images=rgb, return_tensors="pt")["pixel_values"])
    result = processor.post_process_panoptic_segmentation(told, target_sizes=[(64, 64)])[0]
    things = [s["id"] for s in result["segments_info"] if s["label_id"] < first]
    areas = {thing: int((result["segmentation"] == thing).sum()) for thing in things}
    maps = torch.nn.functional.interpolate(told.masks_queries_logits, (64, 64), mode="bilinear")[0]
    found = panoptic_objects(told.class_queries_logits[0], maps)
    assert sorted(int(thing.sum()) for thing in found) == sorted(areas.values())
    main = [thing for thing in things if areas[thing] >= 0.1 * max(areas.values())]
    wanted = np.isin(result["segmentation"].numpy(), main)
    mask = on(f"subject:model={segmenters[name]}", rgb)
    is_a_mask(mask, rgb)
    assert np.array_equal(mask > 0, wanted)


@PHOTOS
@pytest.mark.parametrize("name", ["eomt", "mask2former"])
def test_objects_have_the_photos_size(
    segmenters: dict[str, Path], name: str, rgb: np.ndarray
) -> None:
    is_a_mask(on(f"subject:model={segmenters[name]}", rgb), rgb)


CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}


@PHOTOS
def test_owlv2_sees_a_padded_square(rgb: np.ndarray) -> None:
    wanted = tiny.processor("Owlv2", **CLIP, **tiny.OWL_SIZE)(images=rgb, return_tensors="pt")
    frame = model_frame(Size(*rgb.shape[:2]), "owlv2", tiny.OWL_SIZE)
    found = to_pixels(rgb, frame, "owlv2", tiny.OWL_SIZE)
    assert found.shape == wanted["pixel_values"].shape
    assert torch.allclose(found, wanted["pixel_values"].float(), atol=1e-4)
    # Of a large photo an average is blurred, which comes out alike.
    large = np.asarray(Image.fromarray(rgb).resize((700, 500), Image.Resampling.BICUBIC))
    wanted = tiny.processor("Owlv2", **CLIP, **tiny.OWL_SIZE)(images=large, return_tensors="pt")
    near = to_pixels(
        large, model_frame(Size(500, 700), "owlv2", tiny.OWL_SIZE), "owlv2", tiny.OWL_SIZE
    )
    assert float((near - wanted["pixel_values"]).abs().mean()) < 0.05


@PHOTOS
def test_owlv2_finds_boxes_too(segmenters: dict[str, Path], rgb: np.ndarray) -> None:
    folder = segmenters["owlv2"]
    model = tf.Owlv2ForObjectDetection.from_pretrained(folder).eval()
    words = tf.CLIPTokenizer.from_pretrained(folder)
    processor = tf.Owlv2Processor(tiny.processor("Owlv2", **CLIP, **tiny.OWL_SIZE), words)
    asked = [["a photo of a red dog", "a photo of a cat"]]
    seen = processor(text=asked, images=rgb, return_tensors="pt", max_length=32)
    with torch.inference_mode():
        told = model(**{**seen, "pixel_values": seen["pixel_values"].float()})
    scores = told.logits[0].sigmoid().amax(-1)
    threshold = float(scores.sort().values[-3:-1].mean())
    found = processor.post_process_grounded_object_detection(
        told, threshold=threshold, target_sizes=[rgb.shape[:2]]
    )[0]["boxes"]
    assert len(found) == 2
    ours = detect(rgb, ["Red dog", "cat."], load_segmenter(str(folder), (BOXES,)), threshold)
    assert np.allclose(ours, found.numpy(), atol=0.05)
    wanted = by_hand(segmenters["sam"], rgb, {"input_boxes": [found.tolist()]}, many=False)
    options = f"threshold={threshold},model={folder},sam={segmenters['sam']}"
    mask = on(f'text:"Red dog, cat",best,{options}', rgb)
    is_a_mask(mask, rgb)
    assert (mask != wanted).mean() < 5e-3


@PHOTOS
def test_edges_are_softened_by_vitmatte(segmenters: dict[str, Path], rgb: np.ndarray) -> None:
    height, width = rgb.shape[:2]
    folder, size = segmenters["vitmatte"], Size(height, width)
    mask = shapes.ellipse(size, width / 2, height / 2, 20, 16)
    distance = np.maximum(ndi.distance_transform_edt(mask), ndi.distance_transform_edt(mask == 0))
    trimap = np.where(distance <= 6, 128, mask * 255).astype(np.uint8)
    processor = tiny.processor("VitMatte", size_divisor=32)
    seen = processor(images=rgb, trimaps=Image.fromarray(trimap), return_tensors="pt")
    model = tf.VitMatteForImageMatting.from_pretrained(folder).eval()
    with torch.inference_mode():
        alpha = model(seen["pixel_values"].float()).alphas[0, 0, :height, :width].numpy()
    found = on(f"ellipse:50%,50%,20,16 ~matte:6,{folder}", rgb)
    assert np.array_equal(found[distance > 6], mask[distance > 6])
    assert np.allclose(found[distance <= 6], alpha[distance <= 6], atol=1e-4)
    assert found[distance <= 6].std() > 0.05


def test_a_large_edge_is_softened_at_a_reduced_size(segmenters: dict[str, Path]) -> None:
    rgb = np.asarray(Image.fromarray(WIDE).resize((1400, 1000), Image.Resampling.BICUBIC))
    found = on(f"box:100,100,1300,900 ~matte:20,{segmenters['vitmatte']}", rgb)
    assert found.shape == (1000, 1400)
    assert found[130:870, 130:1270].all()
    assert not found[:79].any()
    assert 0 < found[95:105, 200:1200].mean() < 1


@PHOTOS
def test_people_come_with_their_alpha(segmenters: dict[str, Path], rgb: np.ndarray) -> None:
    folder = segmenters["sapiens2"]
    small = np.asarray(Image.fromarray(rgb).resize((48, 64), Image.Resampling.BILINEAR)) / 255
    seen = torch.tensor((small - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225])
    model = tf.Sapiens2ForImageMatting.from_pretrained(folder).eval()
    with torch.inference_mode():
        told = model(seen.permute(2, 0, 1)[None].float())
    wanted = torch_map(told.alphas[0, 0], rgb.shape[:2])
    found = on(f"subject:model={folder}", rgb)
    is_a_mask(found, rgb)
    assert np.allclose(found, wanted, atol=1e-5)
    with pytest.raises(ModelLoadError, match="is a Sapiens2ForSemanticSegmentation; this wants"):
        on(f"subject:model={segmenters['sapiens2-parts']}", rgb)


def test_the_best_subject_is_matted(segmenters: dict[str, Path]) -> None:
    main, matte = segmenters["eomt"], segmenters["vitmatte"]
    best = on(f"subject:best,model={main},matte={matte}", LARGE)
    assert np.array_equal(best, on(f"subject:model={main} ~matte:2%,{matte}", LARGE))
    assert not np.array_equal(best, on(f"subject:model={main}", LARGE))


def test_people_by_their_name(segmenters: dict[str, Path]) -> None:
    given = f"threshold=0,model={segmenters['clipseg']}"
    assert np.array_equal(on(f"person:{given}", WIDE), on(f'text:"person",{given}', WIDE))


def test_a_device_reaches_the_models(
    segmenters: dict[str, Path], tmp_path: Path, tiny4: Model
) -> None:
    words = f'text:"dog",model={segmenters["clipseg"]}'
    mask = Mask.parse(words)
    assert np.array_equal(mask.on(WIDE, device="cpu"), mask.on(WIDE))
    with pytest.raises(InputError, match="column 1: unknown device 'abacus'"):
        mask.on(WIDE, device="abacus")
    Image.fromarray(WIDE).save(tmp_path / "p.png")
    photo = str(tmp_path / "p.png")
    for command in (("mask", photo), ("inpaint", photo), ("resample", photo), ("verify", photo)):
        more = (photo,) if command[0] == "verify" else ()
        done = shell.call(*command, *more, words, "--device", "abacus")
        assert "unknown device 'abacus'" in done.refused()
    # An edit runs them where its own model is.
    result = editkit.inpaint(WIDE, f"{words} ~threshold:0", model=tiny4, steps=1)
    assert result.report["samples_changed_outside"] == 0


def test_nothing_is_drawn_at_random(segmenters: dict[str, Path]) -> None:
    expression = f"sam:20,30,model={segmenters['sam']}"
    assert np.array_equal(on(expression, WIDE), on(expression, WIDE))


def test_masks_by_models_in_python(segmenters: dict[str, Path]) -> None:
    names = {name: str(folder) for name, folder in segmenters.items()}
    dog = Mask.text("dog", threshold=0.5, model=names["clipseg"])
    cut = Mask.sam((20, 30), model=names["sam"], **{"not": "40/12"})
    main = Mask.subject(names["eomt"])
    wanted = [
        on(f"text:dog,threshold=0.5,model={names['clipseg']}", WIDE),
        on(f"sam:20,30,not=40/12,model={names['sam']}", WIDE),
        on(f"subject:model={names['eomt']}", WIDE),
    ]
    assert np.array_equal((dog | cut | main).on(WIDE), np.maximum.reduce(wanted))
    assert str(Mask.text("a dog", best=True)) == 'text:"a dog",best'


def test_what_a_selection_cannot_use(segmenters: dict[str, Path]) -> None:
    for text in ("sam", f"sam:model={segmenters['sam']}", "sam:not=4/5"):
        with pytest.raises(MaskError, match="column 1: sam needs a point or a box"):
            on(text, WIDE)
    with pytest.raises(MaskError, match="the box is empty"):
        on(f"sam:box=9/9/9/20,model={segmenters['sam']}", WIDE)
    with pytest.raises(MaskError, match="no words"):
        on('text:" , "', WIDE)
    with pytest.raises(ModelLoadError, match="is of type eomt; this selection reads clipseg, "):
        on(f"text:dog,model={segmenters['eomt']}", WIDE)
    with pytest.raises(ModelLoadError, match="is of type clipseg; this selection reads grounding"):
        on(f"text:dog,best,model={segmenters['clipseg']}", WIDE)
    with pytest.raises(UnknownModelError, match="no model 'dog'"):
        on("subject:model=dog", WIDE)


def copied(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


def test_a_checkpoint_must_be_whole_and_safe(segmenters: dict[str, Path], tmp_path: Path) -> None:
    pickled = copied(segmenters["sam"], tmp_path / "pickled")
    weights = tf.SamModel.from_pretrained(pickled).state_dict()
    torch.save(weights, pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    with pytest.raises(ModelLoadError, match="has no safetensors; editkit loads nothing else"):
        load_segmenter(str(pickled), (CUTS,))

    from safetensors.torch import load_file, save_file

    short = copied(segmenters["sam"], tmp_path / "short")
    kept = load_file(short / "model.safetensors")
    lost = next(key for key in kept if key.startswith("mask_decoder"))
    save_file(
        {k: v for k, v in kept.items() if k != lost},
        short / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(ModelLoadError, match=rf"lacks weights: {lost}"):
        load_segmenter(str(short), (CUTS,))

    damaged = copied(segmenters["sam"], tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"\0" * 50)
    with pytest.raises(ModelLoadError, match="cannot be loaded"):
        load_segmenter(str(damaged), (CUTS,))
    with pytest.raises(UnknownModelError, match=r"has no config\.json"):
        load_segmenter(str(tmp_path), (CUTS,))


@pytest.mark.slow
def test_a_cached_model_is_used_offline(segmenters: dict[str, Path], tmp_path: Path) -> None:
    Image.fromarray(WIDE).save(tmp_path / "p.png")
    home = tmp_path / "home"
    name = DEFAULTS["text"].name.replace("/", "--")
    snapshot = home / "hub" / f"models--{name}" / "snapshots" / SHA
    copied(segmenters["clipseg"], snapshot)
    refs = snapshot.parent.parent / "refs"
    refs.mkdir()
    (refs / "main").write_text(SHA, encoding="utf-8")
    env = {"HF_HOME": str(home), "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    given = ("p.png", 'text:"dog",threshold=50%', "--offline", "-o", "m.png")
    done = shell.process("mask", *given, cwd=tmp_path, env=env)
    assert (done.code, done.out, done.err) == (0, b"m.png\n", "")
    wanted = on(f'text:"dog",threshold=0.5,model={segmenters["clipseg"]}', WIDE)
    assert np.array_equal(np.asarray(shell.opened(tmp_path / "m.png")) > 0, wanted > 0)
    # Another one is not there: one line, no try to connect, and it says what to do.
    said = "mask expression, column 7: facebook/sam-vit-base is not in the local cache: run once"
    for more in (("mask", "p.png", "all - sam:9,9"), ("inpaint", "p.png", "all - sam:9,9")):
        done = shell.process(*more, "--offline", "-o", "n.png", cwd=tmp_path, env=env)
        assert done.refused().startswith(said)
    assert not (tmp_path / "n.png").exists()


def test_offline_is_told_by_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UnknownModelError, match="not in the local cache"):
        load_segmenter("owner/name", (CUTS,))


def test_defaults_name_a_license_and_what_reads_them() -> None:
    assert {default.license for default in DEFAULTS.values()} <= {"Apache-2.0", "MIT"}
    for kind in FAMILIES.values():
        assert hasattr(tf, kind.network)
