"""Content Credentials: signing by C2PA, with the original as an ingredient, and reading back."""

import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from editkit._version import __version__
from editkit.errors import EditkitError, InputError, one_line
from editkit.photo.metadata import xmp

_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
}
_ALGORITHMS = {("ec", 256): "ES256", ("ec", 384): "ES384", ("ec", 521): "ES512"}


@dataclass(frozen=True)
class Signer:
    """Certificates and the private key of the first of them.

    Attributes:
        certificates: a PEM file, the signer's own first, up to its authority.
        key: a PEM file, not encrypted, ECDSA or Ed25519.
    """

    certificates: Path
    key: Path

    def __post_init__(self) -> None:
        _c2pa()
        for file in (self.certificates, self.key):
            if not file.is_file():
                raise InputError(f"{file} is not a file; give a PEM file")
        self._algorithm()

    def check_format(self, name: str) -> None:
        """Checks that files of a format, by Pillow's name, can be signed.

        Raises:
            InputError: they cannot.
        """
        _format_media_type(name)

    def sign(
        self, data: bytes, source_type: str, *, edited: bool, original: Path | None = None
    ) -> bytes:
        """The file with a manifest: the action, the software, and the original.

        Args:
            data: the file.
            source_type: the IPTC DigitalSourceType, by its short name.
            edited: whether a photo was edited; else the picture was created.
            original: the file of that photo, added as an ingredient if it exists.

        Raises:
            InputError: the certificates or the key cannot be used, or the format cannot be signed.
        """
        c2pa, kind = _c2pa(), _media_type(data)
        manifest = _manifest(source_type, edited=edited)
        out = BytesIO()
        try:
            with c2pa.Builder(manifest) as builder:
                if original is not None and original.exists():
                    _add_original(builder, original)
                with c2pa.Signer.from_info(self._info()) as signer:
                    builder.sign(signer, kind, BytesIO(data), out)
        except c2pa.C2paError as error:
            raise InputError(f"the file cannot be signed: {one_line(error)}") from error
        return out.getvalue()

    def check_signature(self, data: bytes) -> dict[str, Any]:
        """The signature as read back: its state and the titles of the ingredients.

        Raises:
            EditkitError: the signature is invalid.
        """
        found = read_credentials(data)
        if found is None or found["state"] == "Invalid":
            raise EditkitError("the signature does not hold when it is read back")
        return {"credentials": found}

    def _info(self) -> Any:  # noqa: ANN401 - c2pa's own
        c2pa = _c2pa()
        algorithm = getattr(c2pa.C2paSigningAlg, self._algorithm())
        certificates, key = self.certificates.read_bytes(), self.key.read_bytes()
        return c2pa.C2paSignerInfo(algorithm, certificates, key, None)

    def _algorithm(self) -> str:
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(self.key.read_bytes(), None)
        except (ValueError, TypeError) as error:
            raise InputError(f"{self.key} holds no private key that can be read") from error
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return "ED25519"
        found = _ALGORITHMS.get(("ec", getattr(key, "key_size", 0)))
        if not isinstance(key, ec.EllipticCurvePrivateKey) or found is None:
            raise InputError(f"{self.key} is no ECDSA or Ed25519 key; make one for C2PA")
        return found


def read_credentials(data: bytes) -> dict[str, Any] | None:
    """The active manifest of a file: `state`, `actions`, `ingredients`; None if there is none.

    Raises:
        InputError: c2pa-python is not installed.
    """
    c2pa = _c2pa()
    try:
        with c2pa.Reader(_media_type(data), BytesIO(data)) as reader:
            store, state = json.loads(reader.json()), reader.get_validation_state()
    except c2pa.C2paError:
        return None
    active = store["manifests"][store["active_manifest"]]
    return {
        "state": state,
        "actions": [
            action["action"]
            for assertion in active.get("assertions", [])
            if assertion["label"].startswith("c2pa.actions")
            for action in assertion["data"]["actions"]
        ],
        "ingredients": [item.get("title", "") for item in active.get("ingredients", [])],
    }


def _manifest(source: str, *, edited: bool) -> dict[str, Any]:
    kind = "c2pa.edited" if edited else "c2pa.created"
    done = {"action": kind, "digitalSourceType": xmp.SOURCE_TYPES + source}
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["original"]}}
    return {
        "claim_generator_info": [{"name": "editkit", "version": __version__}],
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {"actions": [opened, done] if edited else [done]},
            }
        ],
    }


def _add_original(builder: Any, path: Path) -> None:  # noqa: ANN401 - c2pa's own
    ingredient = {"title": path.name, "relationship": "parentOf", "label": "original"}
    with path.open("rb") as stream:
        data = stream.read()
    builder.add_ingredient(json.dumps(ingredient), _media_type(data), BytesIO(data))


def _media_type(data: bytes) -> str:
    from PIL import Image

    with Image.open(BytesIO(data)) as image:
        kind = "JPEG" if image.format == "MPO" else str(image.format)
    return _format_media_type(kind)


def _format_media_type(kind: str) -> str:
    if kind not in _TYPES:
        raise InputError(f"{kind} files are not signed; write one of {', '.join(_TYPES)}")
    return _TYPES[kind]


def _c2pa() -> Any:  # noqa: ANN401 - a module
    try:
        import c2pa
    except ImportError as error:
        raise InputError("signing needs c2pa-python: pip install 'editkit[c2pa]'") from error
    return c2pa
