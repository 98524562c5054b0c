"""An edit that takes its process with it: what a decoder's fault, or the system, can do."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editkit.ops.inpaint import Inpaint


@dataclass(frozen=True)
class Deadly(Inpaint):
    """Kills its process at a photo named `deadly`."""

    def __call__(self, model: Any, photo: Any, mask: Any, **more: Any) -> Any:
        if Path(photo.path).stem == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        return Inpaint.__call__(self, model, photo, mask, **more)
