import pytest
import torch

import zoo
from zoo.timm_import import timm


def in_our_order(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Sort timm's tensors as ours stand: merging before the stage, the partial convolution before the others."""

    def place(name: str) -> tuple:
        parts = name.split(".")
        if parts[0] != "stages":
            return ("patch_embed", "stages", "conv_head", "classifier").index(parts[0]), ()
        stage = int(parts[1])
        if parts[2] == "downsample":
            return 1, (stage, -1)
        return 1, (stage, int(parts[3]), parts[4] != "spatial_mixing")

    return {name: state[name] for name in sorted(state, key=place)}  # sorting keeps the order within a layer


@pytest.mark.parametrize(("name", "side"), [("fasternet_t0", 224), ("fasternet_t0", 96), ("fasternet_t2", 64)])
def test_with_timms_weights_the_scores_are_timms(name, side, scramble):
    reference, ours = timm.create_model(name), zoo.create_model(name).eval()
    images = torch.randn(2, 3, side, side)
    scramble(reference, images)
    state = in_our_order(reference.state_dict())
    assert [v.shape for v in state.values()] == [v.shape for v in ours.state_dict().values()]
    ours.load_state_dict(dict(zip(ours.state_dict(), state.values(), strict=True)))
    with torch.no_grad():
        expected, got = reference(images), ours(images)
    assert expected.std(0).mean() > 1e-2
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_every_layer_is_drawn_from_one_truncated_normal():
    network = zoo.create_model("fasternet_t0", seed=0)
    for weight in (network.blocks[3].project.weight, network.head.classifier.weight):
        assert float(weight.detach().std()) == pytest.approx(0.02, rel=0.05)
