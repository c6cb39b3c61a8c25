"""The examples are run as a reader would run them, from another folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from latency_tables import get_runtime
from model_compression.export.onnx import network_inputs
from model_compression.export.verify import read_card

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def _run(folder: Path, script: Path, *arguments: object) -> str:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, script, *map(str, arguments)]
    result = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=280)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_example_is_run_by_a_test():
    mine = Path(__file__).read_text()
    for path in EXAMPLES.iterdir():
        assert path.name in mine or path.name in ("picture.py", "__pycache__"), path.name


def test_own_images_are_learnt_and_kept(tmp_path):
    shown = _run(tmp_path, EXAMPLES / "own_images.py")
    assert "epoch 12" in shown and (tmp_path / "own.safetensors").is_file()
    assert float(shown.splitlines()[-1].partition("%")[0]) > 80


@pytest.mark.slow
def test_a_table_is_made_and_predicts(tmp_path):
    shown = _run(tmp_path, EXAMPLES / "latency_table.py")
    assert (tmp_path / "this-machine.json").is_file()
    predicted, measured = (float(line.split()[1]) for line in shown.splitlines()[-2:])
    assert 0.3 < measured / predicted < 3  # other load on the machine may disturb either


@pytest.mark.slow
def test_a_search_ends_in_a_file_that_is_used(tmp_path):
    shown = _run(tmp_path, EXAMPLES / "search_and_compress.py")
    assert (tmp_path / "runs/example/best/model.onnx").is_file() and "scores of a grey image" in shown


def test_the_notebook_is_without_outputs_and_runs(tmp_path):
    notebook = nbformat.read(EXAMPLES / "tour.ipynb", as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    (tmp_path / "tour.py").write_text("\n\n".join(cell.source for cell in cells))
    assert "M parameters" in _run(tmp_path, tmp_path / "tour.py") and (tmp_path / "tour.safetensors").is_file()


@pytest.fixture(scope="module")
def artifact(shipped, digits, tmp_path_factory) -> Path:
    """The folder of an artifact, with five images of the digits beside it as the network sees them."""
    folder = shutil.copytree(shipped, tmp_path_factory.mktemp("artifact") / "run")
    for number, image in enumerate(digits.test.images[:5]):
        Image.fromarray(image[0].numpy()).save(folder / f"{number}.png")
    return folder


def _classes(path: Path, runtime: str, dtype: str, digits) -> list[str]:
    session = get_runtime(runtime, dtype).load(path, None, dtype=dtype, threads=1)
    scores = session.predict(network_inputs(digits.test, digits, 16)[:5])
    return [digits.classes[row.argmax()] for row in scores]


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_the_artifact_is_opened_in_ten_lines(artifact, digits, runtime, tmp_path):
    pytest.importorskip(runtime)
    script = EXAMPLES / {"onnxruntime": "run_onnxruntime.py", "openvino": "run_openvino.py"}[runtime]
    expected = _classes(artifact / "model.onnx", runtime, "int8", digits)
    assert [_run(tmp_path, script, artifact, artifact / f"{i}.png").strip() for i in range(2)] == expected[:2]


@pytest.mark.slow
def test_the_artifact_is_opened_in_ten_lines_of_executorch(artifact, digits, tmp_path):
    pytest.importorskip("executorch", reason="pip install 'edgezoo[executorch]'")
    folder = artifact / "formats" / "executorch-fp32"
    folder.mkdir(parents=True)
    network = read_card(artifact / "model.onnx").spec.build(10, 1).eval()
    path = get_runtime("executorch").export(network, (1, 1, 16, 16), folder, dtype="fp32", calibration=[])
    expected = _classes(path, "executorch", "fp32", digits)
    shown = [_run(tmp_path, EXAMPLES / "run_executorch.py", artifact, artifact / f"{i}.png").strip() for i in range(2)]
    assert shown == expected[:2]
