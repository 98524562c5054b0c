"""Selections by networks: from words, from points and boxes, and of all objects.

- words, fast: CLIPSeg (Lüddecke & Ecker 2022, arXiv 2112.10003): a map of 352x352.
- words, best: Grounding DINO (Liu et al. 2023, arXiv 2303.05499) or OWLv2 (Minderer et al. 2023,
  arXiv 2306.09683) finds boxes, SAM segments them.
- points and boxes: SAM (Kirillov et al. 2023, arXiv 2304.02643), SAM 2 (arXiv 2408.00714).
- objects: EoMT (Kerssies et al. 2025, arXiv 2503.19108), Mask2Former (arXiv 2112.01527); people
  with their alpha: Sapiens2 (arXiv 2604.21681).
- soft edges: ViTMatte (Yao et al. 2023, arXiv 2305.15272), from a rough mask.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editkit.errors import MaskError
from editkit.masks.checkpoints import (
    ALPHAS,
    BOXES,
    CUTS,
    DEFAULTS,
    MAPS,
    MATTES,
    OBJECTS,
    Segmenter,
    load_segmenter,
)
from editkit.masks.model_input import (
    ModelFrame,
    crop_padding,
    model_frame,
    restore,
    to_batch,
    to_pixels,
)
from editkit.masks.refine import edge_window, guided_filter, near_edge
from editkit.types import Coverage, Rgb, Size

if TYPE_CHECKING:
    import torch

SegmenterLoader = Callable[[str, tuple[str, ...]], Segmenter]
"""Loads a model by its name and its kinds of answer; a caller may cache it."""

FloatBox = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""

MAP_THRESHOLD = 0.4
BOX_THRESHOLD = 0.3
OWL_THRESHOLD = 0.2
_COCO_PANOPTIC = 133
_COCO_THINGS = 80
_SURE = 0.8
_MAIN = 0.1
_OPEN = 128
MATTE_SHARE = 0.02
"""The default width of the unknown band for matting, as a share of the short side."""


def segment_words(
    rgb: Rgb,
    text: str,
    *,
    best: bool = False,
    threshold: float | None = None,
    model: str | None = None,
    sam: str | None = None,
    load: SegmenterLoader = load_segmenter,
) -> Coverage:
    """The objects that words name, float32 (H, W); comma-separated phrases are united.

    Args:
        rgb: (H, W, 3), the photo.
        text: such as `red car` or `dog, cat`.
        best: use a detector and SAM, unless `model` is given.
        threshold: of the probability, in [0, 1]. The default is 0.4 for a map, where 0 keeps its
            soft values; 0.3 for a detector, 0.2 for OWLv2.
        model: a checkpoint; its family decides the method.
        sam: the checkpoint that segments the detected boxes.
        load: loads a model.

    Raises:
        MaskError: there are no words.
        ModelError: a model is missing, or of another kind.
    """
    phrases = [phrase for part in text.split(",") if (phrase := part.strip())]
    if not phrases:
        raise MaskError(f"no words in {text!r}; write what to look for")
    name = model or DEFAULTS["text,best" if best else "text"].name
    finder = load(name, (BOXES,) if best else (MAPS, BOXES))
    if finder.family == "clipseg":
        return _clipseg_map(rgb, phrases, finder, MAP_THRESHOLD if threshold is None else threshold)
    usual = OWL_THRESHOLD if finder.family == "owlv2" else BOX_THRESHOLD
    boxes = detect(rgb, phrases, finder, usual if threshold is None else threshold)
    if not boxes:
        return np.zeros(rgb.shape[:2], np.float32)
    return segment_prompts(rgb, boxes=boxes, model=sam, load=load)


def _clipseg_map(rgb: Rgb, phrases: list[str], model: Segmenter, threshold: float) -> Coverage:
    import torch

    frame, seen = _model_input(rgb, model)
    tokens = model.tokenizer()(phrases, padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        logits = model.network(
            input_ids=tokens["input_ids"].to(model.device),
            attention_mask=tokens["attention_mask"].to(model.device),
            pixel_values=seen.repeat(len(phrases), 1, 1, 1),
        ).logits
        # For one phrase, transformers drops the first axis.
        likely = logits.reshape(len(phrases), *logits.shape[-2:]).sigmoid()
    wide = restore(likely[:1], frame)[0]
    for index in range(1, len(phrases)):
        np.maximum(wide, restore(likely[index : index + 1], frame)[0], out=wide)
    np.clip(wide, 0, 1, out=wide)
    return (wide >= threshold).astype(np.float32) if threshold > 0 else wide


def detect(rgb: Rgb, phrases: list[str], model: Segmenter, threshold: float) -> list[FloatBox]:
    """Boxes of the objects that phrases name, in pixels, by Grounding DINO or OWLv2."""
    import torch

    frame, seen = _model_input(rgb, model)
    owl = model.family == "owlv2"
    given = _owl_words(phrases, model) if owl else _dino_words(phrases, model, frame)
    with torch.inference_mode():
        told = model.network(pixel_values=seen, **given)
    scores = told.logits[0].sigmoid().amax(-1)
    centers = told.pred_boxes[0][scores > threshold].double().cpu().numpy()
    half = centers[:, 2:] / 2
    corners = np.concatenate((centers[:, :2] - half, centers[:, :2] + half), axis=1)
    height, width = rgb.shape[:2]
    # OWLv2 counts in sides of the padded square.
    scale = (max(height, width),) * 4 if owl else (width, height, width, height)
    return [_float_box(row) for row in corners * np.array(scale)]


def _dino_words(
    phrases: list[str], model: Segmenter, frame: ModelFrame
) -> "dict[str, torch.Tensor]":
    import torch

    # Grounding DINO was trained on lowercase phrases that end in full stops.
    text = " ".join(f"{phrase.lower().rstrip('.')}." for phrase in phrases)
    tokens = model.tokenizer()(text, truncation=True, return_tensors="pt").to(model.device)
    names = ("input_ids", "token_type_ids", "attention_mask")
    shape = (1, *frame.outer)
    return {
        "pixel_mask": torch.ones(shape, dtype=torch.int64, device=model.device),
        **{name: tokens[name] for name in names if name in tokens},
    }


def _owl_words(phrases: list[str], model: Segmenter) -> "dict[str, torch.Tensor]":
    words = [f"a photo of a {phrase.lower().rstrip('.')}" for phrase in phrases]
    length = int(model.network.config.text_config.max_position_embeddings)
    tokens = model.tokenizer()(
        words, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    ).to(model.device)
    return {name: tokens[name] for name in ("input_ids", "attention_mask")}


def _float_box(row: NDArray[np.float64]) -> FloatBox:
    left, top, right, bottom = map(float, row)
    return left, top, right, bottom


def segment_prompts(
    rgb: Rgb,
    points: NDArray[np.float64] | None = None,
    outside: NDArray[np.float64] | None = None,
    boxes: list[FloatBox] | None = None,
    *,
    model: str | None = None,
    load: SegmenterLoader = load_segmenter,
) -> Coverage:
    """The object at points (x, y), or the objects in boxes, by SAM or SAM 2; float32 (H, W).

    Points belong to the single box that is given with them; several boxes are several objects.

    Args:
        rgb: (H, W, 3), the photo.
        points: (n, 2) inside the object, in pixels.
        outside: (n, 2) outside the object.
        boxes: around objects.
        model: a checkpoint.
        load: loads a model.

    Raises:
        MaskError: neither points nor boxes.
        ModelError: the model is missing, or of another kind.
    """
    empty = np.zeros((0, 2))
    inside = empty if points is None else points
    beyond = empty if outside is None else outside
    if not len(inside) and not boxes:
        raise MaskError(
            "sam needs a point or a box; write sam:X,Y or sam:box=LEFT/TOP/RIGHT/BOTTOM"
        )
    sam = load(model or DEFAULTS["sam"].name, (CUTS,))
    chosen = np.zeros(rgb.shape[:2], np.bool_)
    for found in _sam_masks(rgb, sam, inside, beyond, boxes or []):
        chosen |= found
    return chosen.astype(np.float32)


def _sam_masks(
    rgb: Rgb,
    sam: Segmenter,
    inside: NDArray[np.float64],
    outside: NDArray[np.float64],
    boxes: list[FloatBox],
) -> Iterator[NDArray[np.bool_]]:
    import torch

    frame, seen = _model_input(rgb, sam)
    given: dict[str, torch.Tensor] = {}
    if len(inside) or len(outside):
        places = np.concatenate((inside, outside)) * frame.scale
        labels = np.repeat((1, 0), (len(inside), len(outside)))
        given["input_points"] = _to_tensor(places[None, None], sam)
        given["input_labels"] = torch.from_numpy(labels[None, None]).to(sam.device)
    if boxes:
        given["input_boxes"] = _to_tensor((np.array(boxes) * np.tile(frame.scale, 2))[None], sam)
    # One point may mean a part or the whole: SAM then answers three times, with its own opinion.
    unsure = not boxes and len(inside) + len(outside) == 1
    with torch.inference_mode():
        told = sam.network(pixel_values=seen, multimask_output=unsure, **given)
    for logits, scores in zip(told.pred_masks[0], told.iou_scores[0], strict=True):
        choice = int(scores.argmax())
        # One at a time: at the photo's size, a map of logits is large.
        yield restore(logits[choice : choice + 1], frame)[0] > 0


def segment_subject(
    rgb: Rgb,
    *,
    best: bool = False,
    model: str | None = None,
    matte: str | None = None,
    load: SegmenterLoader = load_segmenter,
) -> Coverage:
    """The main objects, float32 (H, W): those of at least a tenth of the largest one's area.

    For models of COCO's 133 panoptic classes only the first 80, things, are objects; for others all
    classes are. The alpha of a model that gives one is used unchanged.

    Args:
        rgb: (H, W, 3), the photo.
        best: soften the edges by `matte_edge`.
        model: a checkpoint; its family decides the method.
        matte: the checkpoint for the edges.
        load: loads a model.

    Raises:
        ModelError: a model is missing, or of another kind.
    """
    main = load(model or DEFAULTS["subject"].name, (OBJECTS, ALPHAS))
    found = _predict_alpha(rgb, main) if main.family == "sapiens2" else _main_objects(rgb, main)
    if not best:
        return found
    return matte_edge(rgb, found, MATTE_SHARE * min(rgb.shape[:2]), model=matte, load=load)


def _predict_alpha(rgb: Rgb, model: Segmenter) -> Coverage:
    import torch

    frame, seen = _model_input(rgb, model)
    with torch.inference_mode():
        alphas = model.network(pixel_values=seen).alphas
    return np.clip(restore(alphas[0], frame)[0], 0, 1)


def _main_objects(rgb: Rgb, universal: Segmenter) -> Coverage:
    import torch

    frame, seen = _model_input(rgb, universal)
    with torch.inference_mode():
        told = universal.network(pixel_values=seen)
        maps = crop_padding(told.masks_queries_logits[0], frame)
        things = panoptic_objects(told.class_queries_logits[0], maps)
    areas = [int(thing.sum()) for thing in things]
    main = torch.zeros(tuple(frame.inner), device=universal.device)
    for thing, area in zip(things, areas, strict=True):
        if area >= _MAIN * max(areas):
            main[thing] = 1
    whole = ModelFrame(frame.photo, frame.inner, frame.inner)
    return (restore(main[None], whole)[0] >= 0.5).astype(np.float32)


def matte_edge(
    rgb: Rgb,
    mask: Coverage,
    by: float,
    *,
    model: str | None = None,
    load: SegmenterLoader = load_segmenter,
) -> Coverage:
    """A mask with the true softness of its edge, hair included, by ViTMatte.

    Pixels farther than `by` from the edge are known and stay unchanged. Only a window around the
    edge is processed, at most 1024 pixels long; the alpha is then upsampled along the photo's
    edges.

    Raises:
        ModelError: the model is missing, or of another kind.
    """
    matting = load(model or DEFAULTS["matte"].name, (MATTES,))
    inside = mask >= 0.5
    if by < 1 or inside.all() or not inside.any():
        return mask.copy()
    part = edge_window(inside, by)
    view = np.ascontiguousarray(rgb[part])
    unknown = near_edge(inside[part], by)
    trimap = np.where(unknown, np.uint8(_OPEN), inside[part].astype(np.uint8) * np.uint8(255))
    out = mask.copy()
    np.copyto(out[part], _vitmatte_alpha(view, trimap, matting), where=unknown)
    return out


def _vitmatte_alpha(rgb: Rgb, trimap: NDArray[np.uint8], model: Segmenter) -> Coverage:
    """The alpha of a picture and its trimap: 0 is outside, 255 inside, 128 unknown."""
    import torch

    frame, seen = _model_input(rgb, model)
    size = (frame.inner.width, frame.inner.height)
    small = np.asarray(Image.fromarray(trimap).resize(size, Image.Resampling.NEAREST))
    scale = np.float32(model.table.get("rescale_factor") or 1 / 255)
    pad = [(0, outer - inner) for outer, inner in zip(frame.outer, frame.inner, strict=True)]
    known = to_batch(np.pad(small * scale, pad)[..., None]).to(model.device)
    with torch.inference_mode():
        alphas = model.network(pixel_values=torch.cat((seen, known), dim=1)).alphas
    alpha = alphas[0, 0, : frame.inner.height, : frame.inner.width].float().cpu().numpy()
    if frame.inner == frame.photo:
        return alpha
    return guided_filter(alpha, rgb, 2 * max(frame.photo) / max(frame.inner))


def panoptic_objects(classes: "torch.Tensor", maps: "torch.Tensor") -> list["torch.Tensor"]:
    """The objects (h, w) by the panoptic rule: each pixel belongs to its most confident query.

    Args:
        classes: logits (queries, classes + 1); the last is for no object.
        maps: logits (queries, h, w).
    """
    scores, labels = classes.softmax(-1).max(-1)
    count = classes.shape[-1] - 1
    keep = labels.ne(count) & (scores > _SURE)
    if not bool(keep.any()):
        return []
    likely = maps[keep].sigmoid()
    owner = (scores[keep][:, None, None] * likely).argmax(0)
    last = _COCO_THINGS if count == _COCO_PANOPTIC else count
    found: list[torch.Tensor] = []
    for index, label in enumerate(labels[keep].tolist()):
        own, whole = owner == index, likely[index] >= 0.5
        visible = own & whole
        # A query that loses most of its area to others is no object.
        if bool(visible.any()) and int(own.sum()) > _SURE * int(whole.sum()) and label < last:
            found.append(visible)
    return found


def _model_input(rgb: Rgb, model: Segmenter) -> tuple[ModelFrame, "torch.Tensor"]:
    frame = model_frame(Size(*rgb.shape[:2]), model.family, model.table)
    return frame, to_pixels(rgb, frame, model.family, model.table).to(model.device)


def _to_tensor(values: NDArray[np.float64], model: Segmenter) -> "torch.Tensor":
    import torch

    return torch.from_numpy(values.astype(np.float32)).to(model.device)
