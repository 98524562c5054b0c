"""Each container's own rules: JPEG, PNG, TIFF, BMP, AVIF and HEIC."""
