"""How `--help` is laid out: as wide as the terminal, up to a width that is good to read, with nothing cut.

It is typer's plain layout. Rich's has a column for each form of an option's name: of 80 columns it leaves 18 for words, and cuts
the long ones.
"""

from typing import Any

from typer.core import TyperGroup

WIDTH_MAX = 120
SETTINGS = {"max_content_width": WIDTH_MAX}  # of the app: its subcommands inherit them


class CommandGroup(TyperGroup):
    """A group whose help tells of each subcommand the whole first paragraph of its own: typer's would end with '...'."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Called by typer for the list of subcommands."""
        there = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        rows = [(name, _first_paragraph(one.help)) for name, one in there.items() if one is not None and not one.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _first_paragraph(text: str | None) -> str:
    return " ".join((text or "").partition("\n\n")[0].split())
