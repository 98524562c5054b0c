"""Shapes of tensors: b pictures, c channels, latent rows and columns lh lw, pixels h w."""

from jaxtyping import Float
from torch import Tensor

State = Float[Tensor, "b ..."]
"""Noisy or clean samples in a model's own scaling; the first axis is the batch."""

StateMask = Float[Tensor, "#b ..."]
"""1 where a state is known, 0 where it is free; one mask may serve a whole batch."""

Latents = Float[Tensor, "b c lh lw"]
"""Latents in a model's own scaling, about unit variance."""

LatentMask = Float[Tensor, "b 1 lh lw"]
"""1 where latents may change, 0 where they are known."""

Pixels = Float[Tensor, "b 3 h w"]
"""RGB in [-1, 1], sRGB."""

PixelMask = Float[Tensor, "b 1 h w"]
"""1 where pixels may change, 0 where they stay; values between are partial change."""
