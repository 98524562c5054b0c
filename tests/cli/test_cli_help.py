"""Help: options in groups, three examples for each command, and `-h` for the basics."""

import importlib
import re
import shlex

import click
import pytest
import shell

from editkit.ops.catalog import CATALOG
from editkit.options import GROUPS

EXAMPLES: dict[str, list[str]] = importlib.import_module("editkit_cli.examples").EXAMPLES
MAIN = importlib.import_module("editkit_cli.main")
COMMANDS: dict[str, tuple[str, str]] = MAIN.COMMANDS
cli: click.Group = MAIN.cli

HEADING = re.compile(r"^(\w+) options:$", re.MULTILINE)


def help_of(*words: str) -> str:
    return shell.call(*words).out.decode()


@pytest.mark.parametrize("name", CATALOG)
def test_options_stand_in_groups(name: str) -> None:
    text = help_of(name, "--help")
    groups = HEADING.findall(text)
    assert groups == [group for group in GROUPS if group in groups]
    assert len(groups) == 5 or not CATALOG[name].needs_mask
    for fact in CATALOG[name].options.values():
        if fact.name == "prompt":
            continue
        group = text.partition(f"{fact.option.group} options:")[2].partition(" options:")[0]
        assert f"--{fact.name.replace('_', '-')}" in group, fact.name


@pytest.mark.parametrize("name", CATALOG)
def test_the_short_help_has_the_basics_and_the_examples(name: str) -> None:
    text = help_of(name, "-h")
    assert HEADING.findall(text) == ["Basic"]
    assert "--output" in text
    assert "--blend-known" not in text
    assert text.count(f"  editkit {name} ") == 3
    assert text.rstrip().endswith(f"All options: editkit {name} --help")


def test_batches_have_the_groups_too() -> None:
    text = help_of("batch", "erase", "--help")
    assert HEADING.findall(text) == list(GROUPS)
    assert "--workers" in text.partition("Expert options:")[2]
    assert "--mask EXPR" in text.partition("Look options:")[0]


def test_commands_are_listed_without_being_imported() -> None:
    code = """
import sys
from click.testing import CliRunner
from editkit_cli.main import COMMANDS, cli
text = CliRunner().invoke(cli, ["--help"], prog_name="editkit").output
print(all(f"  {name} " in text for name in COMMANDS))
print([m for m in sys.modules if m in {f"editkit_cli.{module}" for module, _ in COMMANDS.values()}])
"""
    assert shell.python(code).out.splitlines() == [b"True", b"['editkit_cli.completion']"]
    assert set(COMMANDS) == set(cli.commands)


def test_every_command_has_three_examples() -> None:
    assert set(EXAMPLES) == set(COMMANDS)
    for name, lines in EXAMPLES.items():
        assert len(set(lines)) == 3
        text = help_of(name, "--help")
        for line in lines:
            assert f"  {line}\n" in text


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines])
def test_examples_can_be_parsed(line: str) -> None:
    words = shlex.split(re.sub(r" [<>] \S+", "", line))
    assert words.pop(0) == "editkit"
    group: click.Command = cli
    context = click.Context(group, info_name="editkit")
    while isinstance(group, click.Group) and words:
        _, command, words = group.resolve_command(context, words)
        assert command is not None
        if isinstance(command, click.Group):
            context = click.Context(command, context, command.name)
        group = command
    made = group.make_context(str(group.name), list(words), context)
    assert not made.args
