import pytest
import torch
from torch import nn

from zoo.heads.linear import LinearHead


def test_the_hidden_layer_works_on_the_pooled_map():
    head = LinearHead(8, 5, hidden=12, hidden_bias=False, act="hard_swish").eval()
    conv = head.hidden[0]
    assert conv.bias is None
    nn.init.normal_(conv.weight)
    x = torch.randn(3, 8, 4, 6)
    features = nn.functional.hardswish(x.mean((2, 3)) @ conv.weight.flatten(1).T)
    torch.testing.assert_close(head(x, pre_logits=True), features)
    torch.testing.assert_close(head(x), head.classifier(features))


def test_without_a_hidden_layer_it_is_pooling_and_a_linear_layer():
    head = LinearHead(8, 5, bias=False)
    x = torch.randn(3, 8, 4, 6)
    assert head.classifier.bias is None and head.num_features == 8
    torch.testing.assert_close(head(x), x.mean((2, 3)) @ head.classifier.weight.T)


@pytest.mark.parametrize(("options", "norms"), [({}, 0), ({"norm": True}, 1), ({"hidden": 4, "hidden_norm": True}, 1)])
def test_norms_stand_where_asked_and_take_the_place_of_the_bias(options, norms):
    head = LinearHead(8, 5, **options)
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in head.modules()) == norms
    assert not options.get("hidden_norm") or head.hidden[0].bias is None


def test_an_activation_behind_the_norm_comes_before_the_pool():
    head = LinearHead(8, 5, norm=True, norm_act="relu").eval()
    x = torch.randn(3, 8, 4, 6)
    before = x.clone()
    torch.testing.assert_close(head(x, pre_logits=True), head.norm(x).clamp(min=0).mean((2, 3)))
    assert torch.equal(x, before)
    with pytest.raises(ValueError, match="norm_act goes with norm"):
        LinearHead(8, 5, norm_act="relu")
