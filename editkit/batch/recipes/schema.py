"""The JSON schema of recipes, for editors and for those who write recipes by program."""

import types
import typing
from collections.abc import Mapping
from typing import Any

from editkit.batch.recipes.recipe import BUILT_IN, RANGES
from editkit.batch.recipes.steps import Operation, Parameter, operations
from editkit.names import DTYPES, JPEG_MODES, SCORES, SEEDS

_SIMPLE: Mapping[Any, str] = types.MappingProxyType(
    {bool: "boolean", int: "integer", float: "number", str: "string"}
)
_VARIABLE = {"type": "string", "pattern": r"\{[^{}]+\}"}

Facts = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By operation and parameter, what is known beside its type: description, minimum, enum."""


def schema(facts: Facts | None = None) -> dict[str, Any]:
    """The schema (draft 2020-12), of the edits' own fields and what else is known of them."""
    known = facts or {}
    steps = [_step(operation, known.get(name, {})) for name, operation in operations().items()]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "editkit recipe",
        "type": "object",
        "required": ["steps"],
        "additionalProperties": False,
        "properties": {
            "steps": {"type": "array", "minItems": 1, "items": {"oneOf": steps}},
            **_settings(known.get("", {})),
        },
    }


def _step(operation: Operation, facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    named = {
        name: _parameter(parameter, facts.get(name, {}))
        for name, parameter in operation.parameters.items()
        if name != "prompt"
    }
    prompt = {"type": ["string", "null"]} if "prompt" in operation.parameters else {"type": "null"}
    needed = [operation.name, *operation.files]
    text = {"type": "string", "minLength": 1}
    if "mask" in operation.inputs:
        named["mask"] = {**text, "description": "A file, a folder of masks, or an expression."}
    if operation.needs_mask:
        needed.append("mask")
    return {
        "type": "object",
        "required": needed,
        "additionalProperties": False,
        "properties": {operation.name: prompt, **named, **dict.fromkeys(operation.files, text)},
    }


def _parameter(parameter: Parameter, facts: Mapping[str, Any]) -> dict[str, Any]:
    hint = parameter.hint
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    either = [_kind(kind, facts) for kind in kinds]
    if str not in kinds:
        either.append(_VARIABLE)
    shown = {k: v for k, v in facts.items() if k == "description"}
    return {**shown, "anyOf": either}


def _kind(kind: Any, facts: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    if kind is type(None):
        return {"type": "null"}
    limits = {key: value for key, value in facts.items() if key in ("minimum", "maximum")}
    if typing.get_origin(kind) is tuple:
        parts = typing.get_args(kind)
        items = {"type": "number", **limits}
        return {"type": "array", "items": items, "minItems": len(parts), "maxItems": len(parts)}
    if kind not in _SIMPLE:
        return {"type": "string", "pattern": "^[0-9]+[xX][0-9]+$"}
    if kind is str:
        if "enum" not in facts:
            return {"type": "string"}
        return {"anyOf": [{"enum": list(facts["enum"])}, _VARIABLE]}
    return {"type": _SIMPLE[kind], **limits}


def _settings(facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    def number(name: str, kind: str = "integer") -> dict[str, Any]:
        low, high = RANGES[name]
        return {"type": kind, "minimum": low, "maximum": high, **_said(facts, name)}

    score = {"enum": list(SCORES)}
    return {
        "model": {"type": "string", **_said(facts, "model")},
        "device": {"type": "string", **_said(facts, "device")},
        "dtype": {"enum": list(DTYPES), **_said(facts, "dtype")},
        "offline": {"type": "boolean", **_said(facts, "offline")},
        **{name: number(name) for name in ("seed", "num", "best_of")},
        "seeds": {"enum": list(SEEDS)},
        "rank": {"anyOf": [{"type": "array", "items": score, "minItems": 1}, {"type": "string"}]},
        "gates": {
            "type": "object",
            "properties": {name: {"type": "number", "minimum": 0} for name in SCORES},
            "additionalProperties": False,
        },
        "frame": number("frame"),
        "batch_size": {"anyOf": [number("batch_size"), {"const": "auto"}]},
        "fixed_batch": {"type": "boolean"},
        "jpeg": {"enum": list(JPEG_MODES), **_said(facts, "jpeg")},
        "provenance": {"type": "boolean", **_said(facts, "provenance")},
        "keep_records": {"type": "boolean", **_said(facts, "keep_records")},
        "strict": {"type": "boolean", **_said(facts, "strict")},
        "max_seam": number("max_seam", "number"),
        "sign": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
        "variables": {
            "type": "object",
            "description": f"Defaults; every photo has {', '.join(BUILT_IN)}.",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        },
        "table": {"type": "string", "description": "CSV or JSONL, a row for each photo."},
    }


def _said(facts: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    found = facts.get(name, {})
    return {"description": found["description"]} if "description" in found else {}
