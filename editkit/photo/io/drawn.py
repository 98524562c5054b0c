"""Pictures that editkit draws, marked as such: see `metadata/marks.py`."""

from dataclasses import replace

from editkit.photo.io.photo import Photo
from editkit.photo.metadata.marks import packet_of


def mark_picture(picture: Photo, kind: str) -> Photo:
    """The picture, marked as one that editkit drew and that is no photo.

    Args:
        picture: a picture that was drawn, and carries no XMP of a photo.
        kind: what it is, in a plain word, such as "mask" or "contact sheet".
    """
    return replace(picture, carried={**picture.carried, "xmp": packet_of(kind)})
