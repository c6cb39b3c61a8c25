import json
import shutil


def test_an_artifact_is_pushed_and_pulled(shipped, hub, tmp_path, edgezoo):
    address = json.loads(edgezoo("push", shipped, "someone/net", "--json").stdout)["address"]
    assert address == f"{hub.url}/someone/net" and not hub.private
    readme = hub.repositories["someone/net"]["main"]["README.md"].decode()
    card = json.loads((shipped / "model.json").read_text())
    assert f"| median latency | {card['measured_ms']:.3f} ms" in readme
    assert f"| test accuracy | {card['test']['int8']:.1%} |" in readme
    assert edgezoo("push", shipped, "someone/hidden", "--private").returncode == 0 and hub.private == {"someone/hidden"}
    pulled = edgezoo("pull", "someone/net", "--out", tmp_path / "here")
    assert pulled.stdout.startswith(f"{tmp_path}/here/model.onnx: test accuracy ")
    for name in ("model.onnx", "model.json"):
        assert (tmp_path / "here" / name).read_bytes() == (shipped / name).read_bytes()


def test_an_artifact_that_is_not_what_its_card_says_is_refused(shipped, hub, tmp_path, edgezoo, refused):
    changed = shutil.copytree(shipped, tmp_path / "changed")
    (changed / "model.onnx").write_bytes(b"another network")
    assert "the file was changed" in refused("push", changed, "someone/net")
    assert "cannot read the card" in refused("push", tmp_path, "someone/net")
    assert not hub.repositories
    assert edgezoo("push", shipped, "someone/net").returncode == 0
    hub.commit("someone/net", {"model.onnx": b"another network"})
    assert "the file was changed" in refused("pull", "someone/net", "--out", tmp_path / "here")
    hub.commit("someone/net", {"model.json": b"{}"})
    assert "model.json is no model card" in refused("pull", "someone/net", "--out", tmp_path / "here")
    assert "the Hub has no someone/other" in refused("pull", "someone/other", "--out", tmp_path / "here")
    assert not (tmp_path / "here").exists()
