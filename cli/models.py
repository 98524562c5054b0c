"""`editkit models`."""

import dataclasses
import json
from typing import Any

import click

from editkit.models.builtin import BUILTIN
from editkit.models.registry import Found, cached_models, find_model

from .grouped import GroupedGroup
from .offline import offline_option
from .output import put, put_json


@click.group(cls=GroupedGroup, invoke_without_command=True)
@click.pass_context
def models(context: click.Context) -> None:
    """List the models on this machine, or describe one."""
    if context.invoked_subcommand is None:
        context.invoke(list_models)


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_models(*, as_json: bool = False) -> None:
    """List the built-in model, and usable models in the local Hugging Face cache."""
    found = [find_model(BUILTIN), *cached_models()]
    if as_json:
        put_json([_about(model) for model in found])
        return
    for model in found:
        put(model.name, f"{_megabytes(model)} MB", str(model.folder))


@models.command()
@click.argument("name", default=BUILTIN)
@offline_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def info(name: str, *, offline: bool, as_json: bool) -> None:
    """Print the kind, purpose, license and recommended settings of the model NAME.

    editkit downloads an id that is not in the local cache first, unless --offline is given.
    """
    about = _about(find_model(name, offline=offline))
    if as_json:
        put_json(about)
        return
    for key, value in (about | about.pop("settings")).items():
        put(f"{key:20} {value}")


def _about(model: Found) -> dict[str, Any]:
    unet = json.loads((model.folder / "unet" / "config.json").read_text(encoding="utf-8"))
    return {
        "name": model.name,
        "folder": str(model.folder),
        "megabytes": _megabytes(model),
        "inpainting": unet.get("in_channels") == 9,
        "licence": _license(model),
        "settings": dataclasses.asdict(model.settings),
    }


def _license(model: Found) -> str:
    """The license that the model card names in its head."""
    card = model.folder / "README.md"
    lines = card.read_text(encoding="utf-8").splitlines() if card.exists() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("license:"))
    return next(named, "not stated")


def _megabytes(model: Found) -> int:
    return round(sum(file.stat().st_size for file in model.weights) / 1e6)
