"""What all edits share: the one call of the sampler, the canvas, the regions of a mask."""
