"""Putting a patch into a photo: seams, color, sharpness, grain."""
