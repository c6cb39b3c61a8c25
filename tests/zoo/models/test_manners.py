"""What every network can do, one test a manner, over all of them; the smallest of each family of ours is fast."""

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import zoo
from latency_tables.onnx_files import export_onnx
from latency_tables.runtimes.onnxruntime import OnnxRuntime
from zoo.catalog import model_info
from zoo.models import MODELS, ModelEntry

CLASSES = 7
SIDE = 64
SIDE_OF_STATISTICS = 96  # FBNetV3's last map is a single pixel at 64: no variance to divide by


def has_spec(name: str) -> bool:
    return isinstance(MODELS.get(name), ModelEntry)


def _networks() -> Iterator[object]:
    infos = [model_info(name) for name in zoo.list_models()]
    smallest = {info.family: info.name for info in sorted(infos, key=lambda info: -info.params)}
    for info in infos:
        is_fast = smallest[info.family] == info.name and has_spec(info.name)
        yield pytest.param(info.name, marks=() if is_fast else pytest.mark.slow)


every_network = pytest.mark.parametrize("name", list(_networks()))


def is_dense(network: nn.Module) -> bool:
    return getattr(getattr(network, "head", None), "dense", False)


def images_for(name: str, count: int = 2, chans: int = 3, side: int = SIDE) -> Tensor:
    return torch.randn(count, chans, side, side, generator=torch.Generator().manual_seed(0))


def close(got: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    """Check up to `tolerance` of the largest score: rounding grows with what was added up, not with what is left."""
    scale = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(got / scale, expected / scale, atol=tolerance, rtol=tolerance)


@every_network
def test_any_classes_any_channels_any_size_one_as_many(name, scramble):
    network = zoo.create_model(name, num_classes=CLASSES, in_chans=1, seed=0)
    images = images_for(name, 3, chans=1)
    scramble(network, images_for(name, 3, chans=1, side=SIDE_OF_STATISTICS))
    network, images = network.double(), images.double()  # rounding grows over a hundred layers of random weights
    with torch.no_grad():
        scores = network(images)
        assert scores.shape[:2] == (3, CLASSES)
        assert (scores.ndim == 4) == is_dense(network)
        assert scores.std() > 1e-3, "the scores say nothing: the comparisons below would be empty"
        close(network(images[1:2]), scores[1:2])
        close(network.to(memory_format=torch.channels_last)(images.to(memory_format=torch.channels_last)), scores)
        assert torch.isfinite(network(torch.randn(1, 1, 75, 98).double())).all()
        close(copy.deepcopy(network)(images), network(images))


@every_network
def test_features_and_head_are_the_network_and_the_classifier_can_be_changed(name, scramble):
    network = zoo.create_model(name, num_classes=0, seed=0)
    images = images_for(name)
    scramble(network, images)
    with torch.no_grad():
        features = network(images)
        assert features.shape == (2, network.num_features)
        network.reset_classifier(CLASSES)
        scores = network.eval()(images)
        assert scores.shape[:2] == (2, CLASSES)
        maps = network.forward_features(images)
        if getattr(getattr(network, "head", None), "takes_features", False):
            maps = network.forward_intermediates(images)[1]
        close(network.forward_head(maps), scores)
        close(network.forward_head(maps, pre_logits=True), features)
    assert network.get_classifier() is not None


@every_network
def test_one_training_step_changes_every_weight_and_checkpointing_gives_the_same_gradients(name):
    def gradients(checkpointing: bool) -> dict[str, Tensor]:
        network = zoo.create_model(name, num_classes=CLASSES, drop_rate=0.1, drop_path_rate=0.0, seed=0).train()
        try:
            network.set_grad_checkpointing(checkpointing)
        except AssertionError:
            if has_spec(name):
                raise
            pytest.skip("timm's network has no checkpointing")
        torch.manual_seed(1)
        loss = network(images_for(name, 4)).square().mean()
        loss.backward()
        return {name: p.grad for name, p in network.named_parameters() if p.requires_grad and p.grad is not None}

    plain, recomputed = gradients(False), gradients(True)
    parameters = [n for n, p in zoo.create_model(name, num_classes=CLASSES).named_parameters() if p.requires_grad]
    assert set(plain) == set(parameters), "parameters without a gradient"
    assert all(torch.isfinite(g).all() for g in plain.values())
    for key, gradient in plain.items():
        scale = float(gradient.abs().max()) + 1e-12
        assert float((recomputed[key] - gradient).abs().max()) <= 1e-3 * scale + 1e-7, key


@every_network
def test_features_only_gives_one_map_a_resolution(name):
    network = zoo.create_model(name, features_only=True, seed=0).eval()
    images = images_for(name)
    with torch.no_grad():
        maps = network(images)
    assert [m.shape[1] for m in maps] == network.feature_info.channels()
    reductions = network.feature_info.reduction()
    assert reductions == sorted(set(reductions)) and len(maps) == len(reductions) >= 3
    for feature, reduction in zip(maps, reductions, strict=True):
        # a stem without padding loses up to a tenth of the map
        assert abs(feature.shape[2] - SIDE / reduction) <= max(1, SIDE / reduction / 8)
    two = zoo.create_model(name, features_only=True, out_indices=(1, 2), seed=0).eval()
    with torch.no_grad():
        for got, expected in zip(two(images), maps[1:3], strict=True):
            close(got, expected)


@every_network
def test_output_stride_keeps_the_map_or_is_refused_in_one_line(name):
    if not has_spec(name):
        pytest.skip("a baseline does what its own library allows")
    for stride in (8, 16):
        try:
            network = zoo.create_model(name, CLASSES, output_stride=stride, seed=0).eval()
        except zoo.SpecError as error:
            assert "\n" not in str(error) and "dilation" in str(error)
            continue
        with torch.no_grad():
            size = network.forward_features(images_for(name)).shape[2]
        assert size >= SIDE // stride - 1
        shapes = {n: tuple(p.shape) for n, p in network.named_parameters()}
        plain = zoo.create_model(name, CLASSES)
        assert {n: tuple(p.shape) for n, p in plain.named_parameters()} == shapes


def _shipped(name: str, scramble) -> tuple[nn.Module, Tensor, Tensor, float]:
    """Return the network as it is shipped, an image, its scores, and how far rounding may move them.

    Weights at random let the rounding of single precision grow from layer to layer as no trained ones do.
    """
    network = zoo.create_model(name, num_classes=CLASSES, seed=0)
    scramble(network, images_for(name, 4, side=SIDE_OF_STATISTICS))
    if has_spec(name):
        network = zoo.deploy(network)
    # AlexNet's and VGG's adaptive pools can be exported only where the map is a multiple of them
    image = images_for(name, 1, side=SIDE if has_spec(name) else 224)
    with torch.no_grad():
        scores = network(image)
        exact = copy.deepcopy(network).double()(image.double())
    rounding = float((scores - exact).abs().max()) / max(1.0, float(exact.abs().max()))
    assert 10 * rounding < 0.05, "rounding drowns the scores: the comparisons would be empty"
    return network, image, scores, max(1e-4, 10 * rounding)


@every_network
def test_traced_forms_give_the_same_scores(name, scramble, tmp_path):
    network, image, scores, tolerance = _shipped(name, scramble)
    with torch.no_grad():
        close(torch.jit.trace(network, image, check_trace=False)(image), scores, tolerance)
        close(torch.fx.symbolic_trace(network)(image), scores, tolerance)
    export_onnx(network, tuple(image.shape), tmp_path / "model.onnx")
    got = OnnxRuntime.load(tmp_path / "model.onnx", None, dtype="fp32", threads=1).predict(image.numpy())
    close(torch.from_numpy(got), scores, tolerance)


@pytest.mark.slow
@every_network
def test_exported_programs_give_the_same_scores(name, scramble):
    network, image, scores, tolerance = _shipped(name, scramble)
    with torch.no_grad():
        close(torch.export.export(network, (image,)).module()(image), scores, tolerance)


@every_network
def test_a_saved_network_comes_back_without_its_class(name, tmp_path):
    if not has_spec(name):
        pytest.skip("a baseline has no spec to save")
    network = zoo.create_model(name, num_classes=CLASSES, in_chans=1, seed=3).eval()
    zoo.save_model(network, tmp_path / "net.safetensors")
    again = zoo.load_model(tmp_path / "net.safetensors")
    assert again.spec == network.spec
    state = again.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


@every_network
def test_a_seed_decides_the_first_weights(name):
    first, second = (zoo.create_model(name, CLASSES, seed=5).state_dict() for _ in range(2))
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert all(torch.isfinite(value).all() for value in first.values() if value.is_floating_point())
