"""What a record may make us look at: its own folder, or what the user gives.

A record comes with a photo, and a photo comes from anybody. A path in it could name a device that
never ends, a secret, or a share on the network; an id could have a stranger's model fetched.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editkit.errors import InputError, MaskError
from editkit.masks.checkpoints import is_available
from editkit.masks.evaluate import model_names_in
from editkit.masks.language import Node, files_in, parse
from editkit.masks.value import Mask
from editkit.models.registry import is_id
from editkit.ops.catalog import MASK_OPTIONS

_LARGEST = 4 << 30


@dataclass(frozen=True)
class Trust:
    """How far a file is believed.

    Attributes:
        file: the file whose record it is.
        root: the folder that the files that it names may lie in; its own where None.
        allow_download: whether models that its masks name may be fetched.
    """

    file: Path
    root: Path | None
    allow_download: bool = False

    @property
    def folder(self) -> Path:
        """The folder that the files that it names may lie in."""
        return self.file.parent if self.root is None else self.root

    def place(self, told: Mapping[str, Any], part: str, given: str | None) -> Path:
        """Where a part of a record is: where the user says, else in the folder.

        Raises:
            InputError: it lies elsewhere, or is not there.
        """
        if given is not None:
            return Path(given)
        path = told[part].get("path")
        if path is None:
            raise InputError(f"{self.file} does not say where its {part} is; give --{part}")
        bases = (self.file.parent, self.folder)
        places = [self._found(base, path) for base in bases]
        # What a batch makes is called as its photo is.
        places.append(self._found(self.file.parent, Path(path).name))
        for place in places:
            if place is not None and not place.samefile(self.file):
                return place
        if any(self._lies_inside(base, path) for base in bases):
            raise InputError(f"the {part} {path} of {self.file} is not there; give --{part}")
        raise InputError(
            f"the {part} {path} lies outside of the folder of {self.file}, and is not looked at: "
            f"give --{part}, or --root with a folder that holds both"
        )

    def mask(self, told: Mapping[str, Any], given: str | None) -> Mask | Path | None:
        """The mask of an edit: a file, or an expression; None where there is none.

        Raises:
            InputError: a file lies elsewhere, or is not there; or a model is not.
        """
        if "mask" not in told:
            return None
        expression = told["mask"].get("expression")
        if given is not None or expression is None:
            return self.place(told, "mask", given)
        # Read as an expression even if there is a file of that name.
        tree = Mask.parse(expression)
        self._check(tree.node)
        return tree

    def check_rules(self, options: Mapping[str, Any]) -> None:
        """Refuses options of an edit whose rules for masks name what is not ours to look at.

        Raises:
            InputError: a file lies elsewhere, or is not there; or a model is not.
        """
        for name in MASK_OPTIONS & options.keys():
            if isinstance(options[name], str):
                self._check_rule(options[name])

    def _check_rule(self, rule: str) -> None:
        try:
            node = parse(rule, rule=True)
        except MaskError:
            if not self._lies_inside(Path(), rule):
                raise
            self._check_file(rule)  # a rule may be a file, too
            return
        self._check(node)

    def _check(self, node: Node) -> None:
        """Refuses a tree that names a file elsewhere, or a model that is not here."""
        for name in files_in(node):
            self._check_file(name)
        for name, answers in model_names_in(node):
            if not is_id(name) or Path(name).exists():
                self._check_folder(name)
            elif not self.allow_download and not is_available(name, answers):
                raise InputError(
                    f"a mask of {self.file} asks for the model {name}, which is not on this "
                    "machine: give --mask, or --allow-download to fetch it"
                )

    def _check_file(self, name: str) -> None:
        """Refuses a file of an expression, which is named as seen from where the command runs."""
        if self._found(Path(), name) is not None:
            return
        raise InputError(
            f"a mask of {self.file} names {name!r}, which is no file in its folder: give --mask, "
            "or --root with a folder that holds both"
        )

    def _check_folder(self, name: str) -> None:
        if not self._lies_inside(Path(), name):
            raise InputError(
                f"a mask of {self.file} names the model {name!r}, which is not in its folder: "
                "give --mask, or --root with a folder that holds both"
            )

    def _found(self, base: Path, name: str) -> Path | None:
        """An ordinary file in the folder, by its name as seen from `base`; None for all else."""
        if not self._lies_inside(base, name):
            return None
        place = base / name
        try:
            found = place.stat()
        except (OSError, ValueError):
            return None
        ordinary = stat.S_ISREG(found.st_mode) and found.st_size <= _LARGEST
        return place if ordinary else None

    def _lies_inside(self, base: Path, name: str) -> bool:
        """Whether a name leads into the folder, with links followed.

        By its text first: to ask whether a file on a share is there is to ask the share.
        """
        try:
            folder, start = self.folder.resolve(), base.resolve()
            place = Path(os.path.normpath(start / name))
            return place.is_relative_to(folder) and place.resolve().is_relative_to(folder)
        except (OSError, ValueError, RuntimeError):  # links that lead round; no path at all
            return False
