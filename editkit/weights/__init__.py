"""Weights that come with the package, one folder a model, in diffusers layout."""
