import hashlib
import json
import random
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from model_compression import ModelCard, Recipe, compress
from model_compression import compress as compress_function
from model_compression.compress import float_network
from model_compression.export.onnx import network_inputs
from model_compression.quantization.lint import float_operators
from zoo import ArchSpec, BlockSpec, complexity
from zoo.training import TrainConfig, accuracy


@pytest.fixture(scope="module")
def artifact(small_space, digits, small_table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compressed")
    return compress(
        small_space.sample(random.Random(0)),
        digits,
        recipe="distil+int8",
        folder=folder,
        teacher="mobilenetv1_025",
        config=TrainConfig(epochs=6),
        table=small_table,
    )


def test_the_file_is_as_accurate_as_the_card_says(artifact, digits):
    card = artifact.card
    session = onnxruntime.InferenceSession(str(artifact.path), providers=["CPUExecutionProvider"])
    images = network_inputs(digits.test, digits, card.input.resolution)
    scores = np.concatenate([session.run(None, {"input": image[None]})[0] for image in images])
    assert float((scores.argmax(1) == digits.test.labels.numpy()).mean()) == pytest.approx(artifact.accuracy)
    assert artifact.accuracy > 0.5
    assert abs(card.test.int8 - card.test.fp32) < 0.05


def test_the_card_tells_how_to_feed_the_file(artifact, digits):
    card = artifact.card.input
    pixels = digits.test.images[:1].numpy().astype(np.float32) / 255
    mean, std = (np.array(v, dtype=np.float32).reshape(1, -1, 1, 1) for v in (card.mean, card.std))
    np.testing.assert_allclose((pixels - mean) / std, network_inputs(digits.test, digits, 16)[:1], atol=1e-5)


def test_the_card_lies_beside_the_file_and_names_it(artifact):
    card = ModelCard.model_validate_json(artifact.path.with_suffix(".json").read_bytes())
    assert card == artifact.card
    assert card.sha256 == hashlib.sha256(artifact.path.read_bytes()).hexdigest()
    assert card.teacher == "mobilenetv1_025" and card.recipe == "distil+int8"
    assert card.measured_p10_ms <= card.measured_ms <= card.measured_p90_ms
    assert card.predicted_ms > 0 and card.versions["torch"]


def test_the_network_before_quantization_is_kept(artifact, digits):
    network = float_network(artifact)
    assert accuracy(network, digits.val, digits, 16) == pytest.approx(artifact.card.validation.fp32)
    assert complexity(network, (1, 16, 16)).params == artifact.card.params


def test_the_card_tells_what_runs_in_float_and_what_it_costs(artifact):
    found = artifact.card.in_float
    assert [replace(finding, ms=None) for finding in found] == float_operators(artifact.path)
    assert found and 0 < sum(finding.ms for finding in found) < artifact.measured_ms


def test_weights_of_an_equal_training_are_used_again(artifact, digits):
    epochs = []
    again = compress_function(
        artifact.card.spec,
        digits,
        recipe="distil+int8",
        folder=artifact.path.parent,
        teacher="mobilenetv1_025",
        config=TrainConfig(epochs=6),
        on_epoch=epochs.append,
    )
    assert not epochs
    assert again.card.sha256 == artifact.card.sha256


def test_a_network_over_the_limit_never_sees_the_test_images(small_space, digits, tmp_path):
    artifact = compress(
        small_space.sample(random.Random(1)),
        digits,
        recipe="train+fp32",
        folder=tmp_path,
        config=TrainConfig(epochs=1),
        test_within_ms=0.0,
    )
    assert artifact.card.test.fp32 is None and artifact.card.validation.fp32 is not None
    assert np.isnan(artifact.accuracy)
    assert json.loads((tmp_path / "model.json").read_text())["teacher"] is None


def test_a_recipe_of_steps_is_followed_and_told_and_taken_up_again(digits, tmp_path):
    steps = [{"step": "train"}, {"step": "prune", "keep": 0.8, "epochs": 1, "max_drop": 1.0, "tries": 2}]
    told = []
    settings = {"recipe": Recipe.of(steps, name="mine"), "folder": tmp_path, "config": TrainConfig(epochs=2)}
    blocks = tuple(BlockSpec(kind="conv", out_chans=chans, stride=2) for chans in (16, 32))
    spec = ArchSpec(resolution=16, blocks=blocks)
    first = compress(spec, digits, on_step=lambda number, report: told.append(report), **settings)
    assert first.card.recipe == "mine" and first.card.steps == tuple(told) and len(told) == 1
    report = told[0]
    if report.kept:
        verdict = report.attempts[-1].verdict
        assert verdict.ms_after.high < verdict.ms_before.low and first.card.changes
    else:
        assert report.attempts[-1].reason and not first.card.changes
    again = compress(spec, digits, **settings)
    assert again.card.sha256 == first.card.sha256 and again.card.steps == first.card.steps
