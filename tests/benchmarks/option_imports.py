"""What declaring options costs at import: `python tests/benchmarks/option_imports.py`.

Prints the seconds over a bare interpreter, the best of some runs, of libraries that are installed.
"""

import subprocess
import sys
import time

ANNOTATED = """
from dataclasses import dataclass
from typing import Annotated, get_type_hints
@dataclass(frozen=True)
class Option: help: str; low: float; high: float
@dataclass(frozen=True)
class Edit: strength: Annotated[float, Option("x", 0, 1)] = 0.5
get_type_hints(Edit, include_extras=True)
"""
PYDANTIC = """
from typing import Annotated
from pydantic import BaseModel, Field
class Edit(BaseModel): strength: Annotated[float, Field(ge=0, le=1, description="x")] = 0.5
"""
MSGSPEC = """
from typing import Annotated
import msgspec
class Edit(msgspec.Struct): strength: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
msgspec.json.schema(Edit)
"""


def seconds(code: str, runs: int = 7) -> float | None:
    """The least time that an interpreter takes for some code; None where it fails."""
    took = list[float]()
    for _ in range(runs):
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        took.append(time.perf_counter() - started)
        if done.returncode:
            return None
    return min(took)


if __name__ == "__main__":
    bare = seconds("pass") or 0.0
    for name, code in (("Annotated", ANNOTATED), ("pydantic", PYDANTIC), ("msgspec", MSGSPEC)):
        found = seconds(code)
        print(name, "not installed" if found is None else f"{found - bare:.3f} s")
