"""Photos as they come into a folder, by looking again and again: that works on any disk."""

import time
from collections.abc import Callable, Iterator, Sequence

from editkit.batch.inputs import FoundPhoto, Photos
from editkit.errors import InputError
from editkit.storage.stat import Stat
from editkit.storage.url import Place


def settled_photos(
    find: Callable[[], Sequence[FoundPhoto]],
    *,
    pause: float = 1.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Photos]:
    """The photos that are there, each time that they, or the folders that are closed, have changed.

    A photo counts when its size and time of change were the same a moment before, so that one
    which is still being written is left for the next time.

    Args:
        find: gives the photos; finds it none, that is no error here.
        pause: seconds between two looks.
        sleep: waits.
    """
    before = dict[Place, Stat | None]()
    given: tuple[object, ...] = ({}, {})
    while True:
        try:
            found = find()
        except InputError:
            found = []
        photos = found if isinstance(found, Photos) else Photos(found)
        now = {photo.path: Stat.of(photo.path) for photo in photos}
        settled = [p for p in photos if now[p.path] and before.get(p.path) == now[p.path]]
        state = ({photo.path: now[photo.path] for photo in settled}, photos.closed)
        if (settled or photos.closed) and state != given:
            given = state
            yield photos.only(settled)
        before = now
        sleep(pause)
