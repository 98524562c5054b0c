"""Names that options choose from, each list once. Light: imports nothing.

What they mean is told where they are used; here they stand so that the command line can offer them
without importing what does the work.
"""

SOLVERS = (
    "ddim",
    "ddpm",
    "dpmpp_2m",
    "dpmpp_2m_karras",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_karras",
    "euler",
    "euler_karras",
    "euler_a",
    "heun",
    "heun_karras",
    "lcm",
    "unipc",
    "unipc_karras",
)
"""How steps are made: see `editkit.diffusion.solvers`."""

DTYPES = ("auto", "float32", "bfloat16", "float16")
"""Precisions of networks."""

PREFILLS = ("none", "telea", "ns", "biharmonic", "patchmatch")
"""What fills a hole by a classic method: see `editkit.photo.fill.classic`."""

ERASERS = ("diffusion", *PREFILLS[1:])
"""What `erase` can remove things by."""

REGIONS = ("auto", "each", "together")
"""Which marks of a mask are worked on together: see `editkit.photo.geometry.components`."""

SEAMS = ("feather", "multiband", "poisson", "none")
"""How what is new passes into the photo: see `editkit.photo.blend.harmonize`."""

ANCHORS = (
    "center",
    "left",
    "right",
    "top",
    "bottom",
    "top-left",
    "top-right",
    "bottom-left",
    "bottom-right",
)
"""Where in a frame the photo stays: see `editkit.photo.geometry.frame`."""

MOTIONS = ("auto", "none", "shift", "scale", "affine", "perspective")
"""How an edited picture may lie on its original: see `editkit.compare.registration`."""

MAKERS = ("model", "person", "photos", "unknown")
"""Who may have made an edit: see `editkit.ops.composite`."""

JPEG_MODES = ("auto", "lossless", "encode")
"""How an edited JPEG is written: see `editkit.ops.output.Saving`."""

PERCEPTUAL = "perceptual"
"""The score that a model gives: see `editkit.ops.perceptual`."""

SCORES = ("seam", "ring", "grain", PERCEPTUAL)
"""What says how good an edit is: see `editkit.photo.quality.scores`."""

SEEDS = ("photo", "same")
"""Whether each photo of a batch has a seed of its own."""
