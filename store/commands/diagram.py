"""The state diagram of commands, drawn from the transition table.

Run: `uv run python -m store.commands.diagram` prints what `docs/commands.md` has between its marks; a test compares them.
"""

from store.commands.machine import TERMINAL, TRANSITIONS, State


def diagram() -> str:
    """The table as a Mermaid state diagram; events that lead from one state to the same other share an arrow."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, event), to in TRANSITIONS.items():
        arrows.setdefault((state, to), []).append(event.name)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.CREATED.name}: CREATE"]
    lines += [f"    {state.name} --> {to.name}: {', '.join(events)}" for (state, to), events in arrows.items()]
    lines += [f"    {state.name} --> [*]" for state in sorted(TERMINAL)]
    return "\n".join([*lines, "```"])


if __name__ == "__main__":
    print(diagram())
