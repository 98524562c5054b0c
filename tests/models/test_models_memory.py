"""Memory that is free, and what is taken of it."""

from pathlib import Path

import psutil
import pytest
import shell
import torch

from editkit.models import memory
from editkit.models.memory import free_memory, is_out_of_memory, taken

CPU = torch.device("cpu")


def group(folder: Path, limit: str, used: int, files: int) -> None:
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {files}\nslab 7\n")


def test_a_container_has_what_its_limit_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    whole = psutil.virtual_memory().total
    assert 0 < free_memory(CPU) <= whole  # no such files here
    group(tmp_path, "max", 1000, 10)
    assert free_memory(CPU) > 2**20
    group(tmp_path, "5000", 1000, 10)
    assert free_memory(CPU) == 4010


def test_what_a_computation_takes_is_its_peak() -> None:
    """In a process of its own, where nothing took more before."""
    code = """
import torch
from editkit.models.memory import taken
def compute():
    wide = torch.ones(50_000_000)
    return float(wide.sum())
print(*taken(compute, torch.device("cpu")))
print(*taken(lambda: 7, torch.device("cpu")))
"""
    done = shell.python(code)
    first, second = (line.split() for line in done.out.decode().splitlines())
    assert first[0] == "50000000.0"
    assert 180e6 < int(first[1]) < 260e6
    assert second == ["7", "0"]


def test_an_allocation_that_fails_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert is_out_of_memory(caught.value)
    with pytest.raises(RuntimeError) as other:
        torch.matmul(torch.empty(2), torch.empty(3))
    assert not is_out_of_memory(other.value)
    assert is_out_of_memory(MemoryError())
    assert taken(lambda: 3, CPU)[0] == 3
