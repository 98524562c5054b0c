"""Options of a run beside the edit: the model, the file that is written. Light: imports no torch.

Commands, recipes and `Saving` share them, so each stands here once.
"""

from dataclasses import dataclass
from typing import Annotated

from editkit.names import DTYPES, JPEG_MODES, SEEDS
from editkit.options import SEEDS as SEED_LIMIT
from editkit.options import Option

MAX_SEAM = 3.0
"""The seam score that a strict run allows, unless told otherwise."""

ModelName = Annotated[
    str,
    Option(
        "`builtin`, a folder in diffusers layout, or a Hugging Face id (owner/name).",
        "Model",
        short="-m",
        metavar="NAME",
    ),
]
Device = Annotated[
    str, Option("Device of the models: auto, cpu, cuda, cuda:1, mps.", "Model", metavar="NAME")
]
DType = Annotated[str, Option("Precision of the networks.", "Model", choices=DTYPES)]
Offline = Annotated[bool, Option("Never open a connection.", "Model")]
Seed = Annotated[
    int, Option("Random seed; equal seeds give equal images.", low=0, high=SEED_LIMIT - 1)
]
SeedPolicy = Annotated[
    str,
    Option(
        "A seed for each photo, from --seed and its path in IN, or the same for all.",
        choices=SEEDS,
        unset="photo",
    ),
]
Num = Annotated[
    int,
    Option(
        "Number of variants, with consecutive seeds; the file name holds the seed.",
        short="-n",
        low=1,
        high=1000,
    ),
]
BestOf = Annotated[
    int,
    Option(
        "Make N variants of each photo and keep the best.", "Output", low=1, high=1000, metavar="N"
    ),
]
Frame = Annotated[
    int | None,
    Option(
        "Picture of an animation or page of a file, counted from 0.",
        low=0,
        high=1e9,
        metavar="N",
    ),
]
BatchSize = Annotated[
    int | None,
    Option(
        "Pictures in one call of the network, for GPUs; the last bits may depend on N.",
        "Expert",
        low=1,
        high=64,
        metavar="N",
    ),
]
Jpeg = Annotated[
    str,
    Option(
        "Keep the JPEG's blocks outside the mask bit for bit, or encode everything again.",
        "Output",
        choices=JPEG_MODES,
    ),
]
Provenance = Annotated[
    bool,
    Option(
        "Write the maker of the edit, and a record to repeat it, into the metadata.",
        "Output",
    ),
]
KeepRecords = Annotated[
    bool, Option("Keep the records of earlier edits in the file, too.", "Output")
]
Strict = Annotated[
    bool, Option("Fail if a sample outside the mask changes, or the seam is visible.", "Output")
]
MaxSeam = Annotated[
    float,
    Option(
        "The seam score that --strict allows; 1 is no seam.", "Output", low=0, high=1e9, metavar="N"
    ),
]
Sign = Annotated[
    tuple[str, str] | None,
    Option(
        "Sign by C2PA, with a chain of certificates and its private key, both PEM files.",
        "Output",
        metavar="CERTS KEY",
    ),
]


@dataclass(frozen=True)
class ModelOptions:
    """Where and how a model runs."""

    model: ModelName = "builtin"
    device: Device = "auto"
    dtype: DType = "auto"
    offline: Offline = False


@dataclass(frozen=True)
class PhotoOptions:
    """How a photo is read."""

    frame: Frame = None


@dataclass(frozen=True)
class VariantOptions:
    """Variants of an edit."""

    num: Num = 1
    batch_size: BatchSize = 1


@dataclass(frozen=True)
class FileOptions:
    """How a file is written."""

    jpeg: Jpeg = "auto"
    provenance: Provenance = True
    keep_records: KeepRecords = False
    strict: Strict = False
    max_seam: MaxSeam = MAX_SEAM
    sign: Sign = None
