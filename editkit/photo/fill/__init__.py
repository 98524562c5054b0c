"""Classical fills: OpenCV's, scikit-image's and PatchMatch."""
