"""The commands that edit one photo, which batches and recipes take over whole."""

from .composite import composite
from .erase import erase
from .img2img import img2img
from .inpaint import inpaint
from .outpaint import outpaint
from .resample import resample

SINGLE = (composite, inpaint, img2img, resample, erase, outpaint)
"""A new one is one more name; what several say of a setting, the later one has told."""
