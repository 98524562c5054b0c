"""Edits: one frozen dataclass each, a short composition over the shared sampler."""
