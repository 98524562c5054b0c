"""The JSON schema of recipes, for editors and for those who write recipes by program."""

import types
import typing
from collections.abc import Mapping
from typing import Any

from editkit.batch.recipes.recipe import BUILT_IN, SETTINGS
from editkit.batch.recipes.steps import Operation, operations
from editkit.names import SCORES
from editkit.options import Fact

_SIMPLE: Mapping[Any, str] = types.MappingProxyType(
    {bool: "boolean", int: "integer", float: "number", str: "string"}
)
_VARIABLE = {"type": "string", "pattern": r"\{[^{}]+\}"}


def schema() -> dict[str, Any]:
    """The schema (draft 2020-12), from the facts of each option."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "editkit recipe",
        "type": "object",
        "required": ["steps"],
        "additionalProperties": False,
        "properties": {
            "steps": {
                "type": "array",
                "minItems": 1,
                "items": {"oneOf": [_step(operation) for operation in operations().values()]},
            },
            **_settings(),
        },
    }


def _step(operation: Operation) -> dict[str, Any]:
    facts = operation.parameters
    named = {name: _parameter(fact) for name, fact in facts.items() if name != "prompt"}
    named |= {
        old: {**_parameter(facts[new]), "deprecated": True} for old, new in operation.former.items()
    }
    prompt = {"type": ["string", "null"]} if "prompt" in facts else {"type": "null"}
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


def _parameter(fact: Fact) -> dict[str, Any]:
    either = [_kind(kind, fact) for kind in fact.kinds]
    if fact.may_be_none:
        either.append({"type": "null"})
    if str not in fact.kinds:
        either.append(_VARIABLE)
    return {"description": fact.help, "anyOf": either}


def _kind(kind: Any, fact: Fact) -> dict[str, Any]:  # noqa: ANN401
    if typing.get_origin(kind) is tuple:
        parts = typing.get_args(kind)
        items = {"type": "number", **_limits(fact)}
        return {"type": "array", "items": items, "minItems": len(parts), "maxItems": len(parts)}
    if kind not in _SIMPLE:
        return {"type": "string", "pattern": "^[0-9]+[xX][0-9]+$"}
    if kind is str:
        choices = fact.option.choices
        return {"anyOf": [{"enum": list(choices)}, _VARIABLE]} if choices else {"type": "string"}
    return {"type": _SIMPLE[kind], **_limits(fact)}


def _limits(fact: Fact) -> dict[str, Any]:
    limits = {"minimum": fact.option.low, "maximum": fact.option.high}
    return {name: limit for name, limit in limits.items() if limit is not None}


def _settings() -> dict[str, Any]:
    score = {"enum": list(SCORES)}
    batch_size = {"anyOf": [_setting(SETTINGS["batch_size"]), {"const": "auto"}]}
    return {
        **{name: _setting(fact) for name, fact in SETTINGS.items() if fact.option.help},
        "rank": {"anyOf": [{"type": "array", "items": score, "minItems": 1}, {"type": "string"}]},
        "gates": {
            "type": "object",
            "properties": {name: {"type": "number", "minimum": 0} for name in SCORES},
            "additionalProperties": False,
        },
        "batch_size": batch_size,
        "fixed_batch": {"type": "boolean"},
        "sign": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
        "variables": {
            "type": "object",
            "description": f"Defaults; every photo has {', '.join(BUILT_IN)}.",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        },
        "table": {"type": "string", "description": "CSV or JSONL, a row for each photo."},
    }


def _setting(fact: Fact) -> dict[str, Any]:
    """A setting, which holds no variables."""
    described = {"description": fact.help}
    if fact.option.choices:
        return {"enum": list(fact.option.choices), **described}
    return {"type": _SIMPLE.get(fact.kinds[0], "array"), **_limits(fact), **described}
