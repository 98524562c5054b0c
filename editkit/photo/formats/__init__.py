"""Container formats: JPEG, PNG, TIFF, BMP, AVIF and HEIC."""
