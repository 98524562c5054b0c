"""Segmentation models of real classes at tiny size, in the file layout of the hub."""

import json
from pathlib import Path
from typing import Any

import tiny
import torch
import transformers
from transformers import PreTrainedTokenizerFast

tf: Any = transformers  # whose signatures pyright reads by halves


def processor(name: str, **settings: Any) -> Any:
    """An image processor that wants no torchvision, whatever the version calls it."""
    plain = getattr(tf, f"{name}ImageProcessorPil", None) or getattr(tf, f"{name}ImageProcessor")
    return plain(**settings)


def write_processor(folder: Path, **settings: Any) -> None:
    """The settings in the file that the hub's repositories have."""
    text = json.dumps({"image_processor_type": "Any", **settings})
    (folder / "preprocessor_config.json").write_text(text, encoding="utf-8")


def lively(kind: Any, config: Any, seed: int = 0) -> Any:
    """A model with random weights, wide enough that answers differ between places."""
    torch.manual_seed(seed)
    model = kind(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.6 / weight[0].numel() ** 0.5)
    return model.eval()


CLIPSEG_SIZE: dict[str, Any] = {"size": {"height": 32, "width": 32}}


def clipseg(folder: Path) -> Path:
    """CLIPSeg with single letters as words."""
    words = tiny.tokenizer(folder)
    config = tf.CLIPSegConfig(
        text_config={
            "vocab_size": len(words),
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "max_position_embeddings": 16,
            "bos_token_id": 0,
            "eos_token_id": 1,
            "pad_token_id": 1,
        },
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        projection_dim=16,
        reduce_dim=16,
        extract_layers=[0, 1, 2],
        decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
    )
    lively(tf.CLIPSegForImageSegmentation, config).save_pretrained(folder)
    words.save_pretrained(folder)
    write_processor(folder, **CLIPSEG_SIZE)
    return folder


def bert_words(folder: Path) -> PreTrainedTokenizerFast:
    """A tokenizer of letters, as BERT's of words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    letters = [chr(c) for c in range(97, 123)]
    special = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]"}
    names = [*special.values(), ".", *letters, *(f"##{c}" for c in letters)]
    plain = Tokenizer(
        models.WordPiece({n: k for k, n in enumerate(names)}, unk_token=special["unk"])
    )
    plain.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    plain.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    named: Any = {f"{key}_token": name for key, name in special.items()}
    words = PreTrainedTokenizerFast(tokenizer_object=plain, model_max_length=32, **named)
    words.save_pretrained(folder)
    return words


DINO_SIZE: dict[str, Any] = {"size": {"shortest_edge": 64, "longest_edge": 90}}


def grounding_dino(folder: Path) -> Path:
    """Grounding DINO on a tiny Swin."""
    folder.mkdir()
    words = bert_words(folder)
    config = tf.GroundingDinoConfig(
        backbone_config=tf.SwinConfig(
            window_size=7,
            image_size=224,
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 1, 1],
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=tf.BertConfig(
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
            max_position_embeddings=32,
            vocab_size=len(words),
        ),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        num_queries=6,
        num_feature_levels=4,
        max_text_len=32,
    )
    lively(tf.GroundingDinoForObjectDetection, config).save_pretrained(folder)
    write_processor(folder, **DINO_SIZE)
    return folder


OWL_SIZE: dict[str, Any] = {"size": {"height": 64, "width": 64}}


def owlv2(folder: Path) -> Path:
    """OWLv2 with letters as words, numbered as CLIP's: what pads comes first, what ends last."""
    folder.mkdir()
    letters = [chr(c) for c in range(33, 127)]
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    vocab = {word: k for k, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    padding: Any = {"pad_token": "!"}
    tf.CLIPTokenizer.from_pretrained(folder, **padding).save_pretrained(folder)
    shared = {"intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = tf.Owlv2Config(
        text_config={
            **shared,
            "hidden_size": 16,
            "vocab_size": len(words),
            "max_position_embeddings": 32,
            "bos_token_id": len(words) - 2,
            "eos_token_id": len(words) - 1,
        },
        vision_config={**shared, "hidden_size": 16, "image_size": 64, "patch_size": 16},
        projection_dim=16,
    )
    lively(tf.Owlv2ForObjectDetection, config, 2).save_pretrained(folder)
    write_processor(folder, **OWL_SIZE)
    return folder


def vitmatte(folder: Path) -> Path:
    """ViTMatte on a tiny ViT."""
    config = tf.VitMatteConfig(
        backbone_config=tf.VitDetConfig(
            num_channels=4,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=64,
            pretrain_image_size=64,
            patch_size=16,
            window_size=2,
            window_block_indices=[0],
            residual_block_indices=[1],
            out_features=["stage2"],
        ),
        hidden_size=16,
        convstream_hidden_sizes=[8, 8, 8],
        fusion_hidden_sizes=[16, 8, 8, 8],
    )
    model = lively(tf.VitMatteForImageMatting, config, 4)
    with torch.no_grad():
        for name, weight in model.decoder.named_parameters():
            if weight.ndim == 1 and name.endswith("weight"):
                weight.fill_(2)  # norms drawn about 0 would let nothing through
        model.decoder.matting_head.matting_convs[-1].weight.mul_(8)
    model.save_pretrained(folder)
    write_processor(folder, size_divisor=32)
    return folder


SAPIENS_SIZE: dict[str, Any] = {"size": {"height": 64, "width": 48}}


def sapiens2(folder: Path, *, matting: bool = True) -> Path:
    """Sapiens2 for matting, or for what its checkpoints are for, too."""
    config = tf.Sapiens2Config(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_attention_heads=2,
        num_register_tokens=1,
        image_size=[64, 48],
        num_labels=4,
        head_config={"upsample_out_channels": [8, 8], "conv_out_channels": [8]},
    )
    kind = tf.Sapiens2ForImageMatting if matting else tf.Sapiens2ForSemanticSegmentation
    lively(kind, config, 5).save_pretrained(folder)
    write_processor(folder, **SAPIENS_SIZE)
    return folder


SAM_SIZE: dict[str, Any] = {
    "size": {"longest_edge": 64},
    "pad_size": {"height": 64, "width": 64},
}


def sam(folder: Path) -> Path:
    """SAM, whose frame is padded to a square."""
    config = tf.SamConfig(
        vision_config={
            "hidden_size": 16,
            "output_channels": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 8,
            "mlp_dim": 16,
            "num_pos_feats": 8,
            "global_attn_indexes": [1],
            "window_size": 2,
        },
        prompt_encoder_config={
            "hidden_size": 16,
            "image_size": 64,
            "patch_size": 8,
            "mask_input_channels": 8,
        },
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 16,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )
    lively(tf.SamModel, config, 3).save_pretrained(folder)
    write_processor(folder, **SAM_SIZE)
    return folder


def sam2(folder: Path) -> Path:
    """SAM 2 for pictures, whose frame is stretched."""
    sizes = [[16, 16], [8, 8], [4, 4]]
    config = tf.Sam2Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "hidden_size": 8,
                "image_size": [64, 64],
                "num_attention_heads": 1,
                "blocks_per_stage": [1, 2, 2, 1],
                "embed_dim_per_stage": [8, 16, 32, 64],
                "num_attention_heads_per_stage": [1, 1, 2, 2],
                "window_size_per_stage": [4, 4, 4, 4],
                "global_attention_blocks": [4],
                "window_positional_embedding_background_size": [4, 4],
            },
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": sizes,
            "fpn_hidden_size": 32,
        },
        prompt_encoder_config={"hidden_size": 32, "image_size": 64, "mask_input_channels": 8},
        mask_decoder_config={
            "hidden_size": 32,
            "mlp_dim": 16,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )
    lively(tf.Sam2Model, config, 1).save_pretrained(folder)
    write_processor(folder, size={"height": 64, "width": 64})
    return folder


EOMT_SIZE: dict[str, Any] = {"size": {"shortest_edge": 64, "longest_edge": 64}, "do_pad": True}


def eomt(folder: Path, labels: int) -> Path:
    """EoMT, as sure of its classes as a trained one."""
    config = tf.EomtConfig(
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=64,
        patch_size=16,
        num_blocks=1,
        num_queries=8,
        num_upscale_blocks=1,
        num_labels=labels,
    )
    model = lively(tf.EomtForUniversalSegmentation, config, 7)
    with torch.no_grad():
        model.class_predictor.weight.mul_(60)
    model.save_pretrained(folder)
    write_processor(folder, **EOMT_SIZE)
    return folder


MASK2FORMER_SIZE: dict[str, Any] = {"size": {"shortest_edge": 50, "longest_edge": 90}}


def mask2former(folder: Path) -> Path:
    """Mask2Former on a tiny Swin."""
    config = tf.Mask2FormerConfig(
        backbone_config=tf.SwinConfig(
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 1, 1],
            out_features=["stage1", "stage2", "stage3", "stage4"],
        ),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=8,
        num_labels=5,
    )
    model = lively(tf.Mask2FormerForUniversalSegmentation, config, 1)
    with torch.no_grad():
        model.class_predictor.weight.mul_(60)
    model.save_pretrained(folder)
    write_processor(folder, **MASK2FORMER_SIZE)
    return folder
