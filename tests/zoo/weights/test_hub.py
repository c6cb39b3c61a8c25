import sys

import pytest
import torch

import zoo
from zoo.weights.hub import CARD_FILE, WEIGHTS_FILE, card_text


@pytest.fixture
def network():
    torch.manual_seed(0)
    return zoo.get_spec("mobilenetv1_025").at_resolution(32).build(num_classes=10, in_chans=1).eval()


def test_a_network_is_pushed_and_pulled_with_its_card(hub, network):
    address = zoo.push_model(network, "someone/digits", metadata={"data": "digits", "accuracy": "98.1 % | of 360"})
    assert address == f"{hub.url}/someone/digits"
    card = hub.repositories["someone/digits"]["main"][CARD_FILE].decode()
    params = sum(p.numel() for p in network.parameters())
    assert f"| parameters | {params:,} |" in card and "| input | 1 x 32 x 32 |" in card
    assert "| accuracy | 98.1 % \\| of 360 |" in card and 'zoo.pull_model("someone/digits")' in card
    assert card.startswith("---\nlibrary_name: edgezoo\n")
    again = zoo.pull_model("someone/digits")
    image = torch.randn(1, 1, 32, 32)
    assert again.spec == network.spec
    torch.testing.assert_close(again(image), network(image))


def test_a_revision_stays_what_it_was(hub, network):
    zoo.push_model(network, "someone/digits", private=True)
    assert hub.private == {"someone/digits"}
    first = next(iter(hub.repositories["someone/digits"]))
    zoo.push_model(network.spec.build(num_classes=3, in_chans=1), "someone/digits")
    assert zoo.pull_model("someone/digits").num_classes == 3
    assert zoo.pull_model("someone/digits", revision=first).num_classes == 10


def test_what_cannot_be_had_is_one_line(hub, network, monkeypatch):
    def refused(call, *arguments, **options):
        with pytest.raises(zoo.WeightsError) as caught:
            call(*arguments, **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "the Hub has no someone/nothing that you may read" in refused(zoo.pull_model, "someone/nothing")
    assert "is no name of a repository" in refused(zoo.pull_model, "a/b/c")
    hub.repositories["someone/else"] = {}
    hub.commit("someone/else", {"config.json": b"{}"})
    assert "holds no model.safetensors" in refused(zoo.pull_model, "someone/else")
    assert "has no revision 'v2'" in refused(zoo.pull_model, "someone/else", revision="v2")
    hub.commit("someone/else", {WEIGHTS_FILE: b"no weights"})
    assert "cannot read weights" in refused(zoo.pull_model, "someone/else")
    hub.writable = False
    assert "hf auth login" in refused(zoo.push_model, network, "someone/digits")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert "cannot reach the Hub at http://127.0.0.1:1" in refused(zoo.push_model, network, "someone/new")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "pip install 'edgezoo[hub]'" in refused(zoo.pull_model, "someone/else")


def test_facts_cannot_break_out_of_the_card():
    text = card_text("a/b", {"data": "x |\n\n# Not a heading\n---"}, "pass")
    assert "\n# Not" not in text and text.count("\n---\n") == 1
