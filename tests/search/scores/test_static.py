import random

import pytest
import torch

import zoo
from latency_tables.onnx_files import export_onnx
from search import SPACES, SearchError
from search.scores.static import static_scores
from zoo import ArchSpec, BlockSpec


def spec_of(*blocks: BlockSpec, resolution: int = 8) -> ArchSpec:
    return ArchSpec(resolution=resolution, blocks=blocks)


def conv(out_chans: int, **given) -> BlockSpec:
    stride = given.pop("stride", 1)
    return BlockSpec(kind="conv", out_chans=out_chans, stride=stride, options=given)


# values of maps at 8 x 8 pixels: 64 a channel, 16 after a stride of 2
@pytest.mark.parametrize(
    ("blocks", "values"),
    [
        # image and first map; the later pair is smaller
        ([conv(4), conv(8, stride=2)], 3 * 64 + 4 * 64),
        # first and second map; the image is gone
        ([conv(8), conv(8)], 8 * 64 + 8 * 64),
        # batch norm and any activation take the place of their input, whether PyTorch does so (ReLU) or not (GELU)
        ([conv(8, act="gelu"), conv(8, act="relu")], 8 * 64 + 8 * 64),
        # the input waits for the sum of both
        ([conv(8), conv(8, residual=True)], 3 * 8 * 64),
        # expanded four times, the input not kept for a sum: its channels change
        (
            [conv(8), BlockSpec(kind="inverted_residual", out_chans=12, options={"expand": 4.0})],
            32 * 64 + 32 * 64,
        ),
        # the same with a sum: the input lives through all of the block
        (
            [conv(8), BlockSpec(kind="inverted_residual", out_chans=8, options={"expand": 4.0})],
            8 * 64 + 32 * 64 + 32 * 64,
        ),
    ],
)
def test_peak_memory_is_what_a_hand_adds_up(blocks, values):
    assert static_scores(spec_of(*blocks), 10, 3).peak_memory_bytes == 4 * values


def test_concatenation_needs_its_inputs_and_its_output():
    fire = BlockSpec(kind="fire", out_chans=32)  # two branches of 16 channels each
    values = 2 * 16 * 64 + 32 * 64
    assert static_scores(spec_of(conv(4), fire), 10, 3).peak_memory_bytes == 4 * values


def test_bits_scale_activations_and_weights_but_not_biases():
    spec = spec_of(conv(8), conv(16, stride=2))
    full, small = (static_scores(spec, 10, 3, bits=bits) for bits in (32, 8))
    assert small.peak_memory_bytes * 4 == full.peak_memory_bytes
    weights, biases = 3 * 8 * 9 + 8 * 16 * 9 + 16 * 10, 8 + 16 + 10
    assert full.size_bytes == 4 * weights + 4 * biases
    assert small.size_bytes == weights + 4 * biases
    with pytest.raises(SearchError, match="bits must be 1 to 32, got 0"):
        static_scores(spec, 10, 3, bits=0)


@pytest.mark.parametrize("name", ["mobilenetv2_035", "ghostnet_050"])
def test_size_is_that_of_the_weights_in_the_onnx_file(name, tmp_path):
    spec = zoo.get_spec(name).at_resolution(64)
    path = tmp_path / "network.onnx"
    export_onnx(spec.build(10, 3, seed=0).eval(), (1, 3, 64, 64), path)
    assert static_scores(spec, 10, 3).size_bytes == pytest.approx(path.stat().st_size, rel=0.06)


@pytest.mark.parametrize("name", ["mobilenetv2_100", "mobileone_s0"])
def test_counts_are_those_of_the_shipped_form(name):
    spec = zoo.get_spec(name)
    scores = static_scores(spec, 1000, 3)
    count = zoo.complexity(zoo.deploy(spec.build(1000, 3)), (3, spec.resolution, spec.resolution))
    assert (scores.params, scores.macs) == (count.params, count.macs)


def test_a_network_is_scored_once():
    spec = SPACES.get("mobile").sample(random.Random(0))
    assert static_scores(ArchSpec.from_json(spec.to_json()), 10, 3) is static_scores(spec, 10, 3)


def test_nothing_is_computed():
    state = torch.get_rng_state()
    static_scores(spec_of(conv(8), resolution=4096), 10, 3)  # 512 MiB of map, were it made
    assert torch.equal(torch.get_rng_state(), state)
