"""The option `--offline`, which works as soon as it is read."""

import click

from editkit.offline import forbid_network, go_offline

__all__ = ["forbid_network", "go_offline", "offline_at_once", "offline_option"]


def offline_at_once(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
    """The value; if it is set, nothing that comes after reaches the network."""
    del parameter
    if value and not context.resilient_parsing:
        go_offline()
    return value


offline_option = click.option(
    "--offline",
    is_flag=True,
    is_eager=True,
    callback=offline_at_once,
    help="Never open a connection.",
)
