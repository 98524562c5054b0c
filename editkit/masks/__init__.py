"""Masks: reading, the mask language, selection, segmentation and preview."""
