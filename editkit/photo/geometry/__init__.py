"""Crops, components of a mask, frames and warps."""
