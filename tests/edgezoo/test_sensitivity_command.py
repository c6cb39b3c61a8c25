import json
import random

import pytest


@pytest.fixture(scope="module")
def spec_file(small_space, tmp_path_factory):
    path = tmp_path_factory.mktemp("spec") / "spec.json"
    path.write_text(small_space.sample(random.Random(0)).to_json())
    return path


def test_a_network_is_trained_and_its_layers_are_told_and_a_second_call_goes_on(
    spec_file, tmp_path, edgezoo, read_page
):
    arguments = (
        "sensitivity", spec_file, "--data", "digits", "--image-size", 16, "--epochs", 1, "--images", 32,
        "--out", tmp_path,
    )  # fmt: skip
    text = edgezoo(*arguments, "--seconds", 0).stdout
    assert "of 32 validation images" in text and "most sensitive: " in text
    first = json.loads((tmp_path / "sensitivity.json").read_text())
    told = json.loads(edgezoo(*arguments, "--seconds", 2, "--json").stdout)
    assert len(told["effects"]) > len(first["effects"]) > 0 and told["made_of"] == first["made_of"]
    assert told["effects"][0] == first["effects"][0]
    page = read_page(tmp_path / "sensitivity.html")
    assert page.headings == ["What each layer can take", "Where this was measured"]


def test_a_compressed_folder_gives_its_own_network(spec_file, tmp_path, edgezoo, refused):
    given = ("--data", "digits", "--image-size", 16)
    edgezoo("compress", spec_file, *given, "--recipe", "train+int8", "--epochs", 1, "--out", tmp_path / "out")
    answer = edgezoo(
        "sensitivity", tmp_path / "out", *given, "--seconds", 0, "--images", 32, "--out", tmp_path / "found"
    )
    assert answer.returncode == 0 and not (tmp_path / "found" / "weights.safetensors").exists()
    (tmp_path / "out" / "weights.safetensors").unlink()
    line = refused("sensitivity", tmp_path / "out", *given, "--out", tmp_path / "found")
    assert "cannot read weights from" in line


def test_what_has_no_layers_to_tell_of_is_one_line(tmp_path, refused):
    rest = ("--data", "digits", "--out", tmp_path / "out")
    assert "cannot read the card" in refused("sensitivity", tmp_path, *rest)
    assert "mobilenetv3_small_050" in refused("sensitivity", "mobilenetv3_small_05", *rest)
