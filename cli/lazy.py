"""Commands whose modules are imported when they are first needed."""

import importlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import click

from .suggestions import SuggestingGroup


class LazyCommands(MutableMapping[str, click.Command]):
    """Commands by name, each imported from a module of this package when it is asked for.

    Args:
        modules: the module of each command, which has the command's name in it.
    """

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = dict(modules)
        self._known = dict[str, click.Command]()

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._known:
            module = importlib.import_module(f"{__package__}.{self._modules[name]}")
            self._known[name] = getattr(module, name)
        return self._known[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._modules.setdefault(name, "")
        self._known[name] = command

    def __delitem__(self, name: str) -> None:
        del self._modules[name]
        self._known.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


class LazyGroup(SuggestingGroup):
    """A group of such commands, listed in the order given without importing any of them."""

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - of `click.Group`
        summaries: Mapping[str, tuple[str, str]] | None = None,
        **more: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*args, **more)
        self.summaries = {name: text for name, (_, text) in (summaries or {}).items()}
        modules = {name: module for name, (module, _) in (summaries or {}).items()}
        self.commands = LazyCommands(modules)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        del ctx
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands with a line on each."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))
