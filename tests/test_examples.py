"""The notebooks of examples/ run from top to bottom."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs nbclient: pip install 'offbeat[test]'")
nbclient = pytest.importorskip("nbclient", reason="needs nbclient: pip install 'offbeat[test]'")
kernelspec = pytest.importorskip("jupyter_client.kernelspec", reason="needs ipykernel: pip install 'offbeat[test]'")
manager = pytest.importorskip("jupyter_client.manager", reason="needs ipykernel: pip install 'offbeat[test]'")

EXAMPLES = Path(__file__).parents[1] / "examples"


class ThisPython(kernelspec.KernelSpecManager):  # type: ignore[misc, name-defined]
    """Knows one kernel: the interpreter that runs the tests, whatever is installed elsewhere."""

    def get_kernel_spec(self, kernel_name: str) -> object:
        arguments = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return kernelspec.KernelSpec(argv=arguments, display_name="this", language="python")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.name)
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in sys.path if p))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "clear the outputs before committing"
    kernels = manager.AsyncKernelManager(kernel_spec_manager=ThisPython())
    nbclient.NotebookClient(notebook, timeout=300, km=kernels).execute(cwd=str(tmp_path))
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(str(output.get("text", "")) for output in outputs)
    assert "found" in text and "because of" in text
    assert any("image/png" in output.get("data", {}) for output in outputs)
