"""EXIF, XMP, IPTC, color code points and Content Credentials."""
