import pytest
from PIL import Image

from zoo import DataError
from zoo.data import load_data


def _fill(folder, classes=("cat", "dog"), count=10, mode="RGB", size=(24, 18)):
    for index, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.new("RGB", size, (100 * index, 20 * i, 50)).convert(mode).save(folder / name / f"{mode}{i}.png")


def _sizes(path):
    data = load_data(f"folder:{path}", resolution=16)
    return len(data.train), len(data.val), len(data.test)


def test_class_folders_alone_are_split(tmp_path):
    _fill(tmp_path)
    data = load_data(f"folder:{tmp_path}", resolution=16)
    assert data.classes == ("cat", "dog") and data.in_chans == 3 and data.resolution == 16
    assert _sizes(tmp_path) == (12, 4, 4)


@pytest.mark.parametrize(
    ("parts", "sizes"),
    [(("train", "test"), (16, 4, 20)), (("train", "val"), (16, 20, 4)), (("train", "val", "test"), (20, 20, 20))],
)
def test_given_parts_are_kept_and_missing_ones_split_off(tmp_path, parts, sizes):
    for part in parts:
        _fill(tmp_path / part)
    assert _sizes(tmp_path) == sizes


def test_mixed_sizes_and_modes_become_one(tmp_path):
    for mode, size in (("RGB", (40, 20)), ("L", (9, 30)), ("RGBA", (16, 16)), ("P", (50, 50))):
        _fill(tmp_path, count=5, mode=mode, size=size)
    assert sum(_sizes(tmp_path)) == 40


def test_what_cannot_be_trained_on_is_one_line(tmp_path):
    def refused(path, message):
        with pytest.raises(DataError, match=message) as caught:
            load_data(f"folder:{path}", resolution=16)
        assert "\n" not in str(caught.value)

    refused(tmp_path / "none", "is not a folder")
    refused("", "needs a path")
    refused(tmp_path, "no class folders")
    _fill(tmp_path / "one", classes=("cat",))
    refused(tmp_path / "one", "one class only")
    for name in "ab":
        (tmp_path / "bare" / name).mkdir(parents=True)
    refused(tmp_path / "bare", "holds no images")
    _fill(tmp_path / "hole")
    (tmp_path / "hole" / "emu").mkdir()
    refused(tmp_path / "hole", "no images of class 'emu'")
    _fill(tmp_path / "few", count=1)
    refused(tmp_path / "few", "too few images")
    _fill(tmp_path / "extra" / "train")
    _fill(tmp_path / "extra" / "test", classes=("cat", "dog", "emu"))
    refused(tmp_path / "extra", "'emu', which the training images lack")
    _fill(tmp_path / "bad")
    (tmp_path / "bad" / "cat" / "RGB3.png").write_bytes(b"no image")
    refused(tmp_path / "bad", "RGB3.png cannot be read")
