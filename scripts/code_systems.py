"""Print the table of code systems for docs/reference/code-systems.md, which a test compares with the rules.

python scripts/code_systems.py
"""

from __future__ import annotations

from hmchain.records.deidentification.terminology import System, shipped_systems


def how(system: System) -> str:
    """How a code of a system is told."""
    return " and ".join(["pattern"] * bool(system.pattern) + ["check digit"] * bool(system.check)) or "list"


def main() -> None:
    """Print a row a system."""
    print("| system | in FHIR | by | in HL7 v2 | terms |\n|---|---|---|---|---|")
    for system in shipped_systems():
        if system.title:
            names = ", ".join(f"`{name}`" for name in system.hl7[:3]) or "-"
            print(f"| {system.title} | `{system.uri}` | {how(system)} | {names} | {system.terms} |")


if __name__ == "__main__":
    main()
