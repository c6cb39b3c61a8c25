"""Folders of images that are not what their names say: read for what they are, or refused in one line."""

import struct
import time
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.data import load_data
from zoo.errors import DataError


def _photo(seed=0, size=(30, 20)):
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def photos(tmp_path):
    for index, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for number in range(10):
            _photo(20 * index + number).save(tmp_path / name / f"{number}.jpg")
    return tmp_path


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, rows: int) -> bytes:
    """Return a PNG that says it has `width` x `height` pixels and holds `rows` empty rows of them."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compressobj(9)
    data = b"".join(pixels.compress(bytes(width + 1)) for _ in range(rows)) + pixels.flush()
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _truncated(path) -> bytes:
    return path.read_bytes()[: path.stat().st_size // 2]


HOSTILE = {
    "text": lambda photo: b"this is no image",
    "nothing in it": lambda photo: b"",
    "half a JPEG": _truncated,
    "half a PNG": lambda photo: _png(30, 20, 20)[:-30],
    "a bomb": lambda photo: _png(30_000, 30_000, 10),
    "a line": lambda photo: _png(60_000, 1, 1),
    "a column": lambda photo: _png(1, 60_000, 60_000),
    "no pixels": lambda photo: _png(0, 10, 0),
    "a script": lambda photo: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/tmp/x) (w) file\n",
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("name", ["1.png", "1.jpg"])
def test_a_file_that_is_no_image_is_named_in_one_line(photos, kind, name):
    content = HOSTILE[kind](photos / "cat" / "1.jpg")
    (photos / "cat" / name).write_bytes(content)
    began = time.process_time()
    with pytest.raises(DataError) as caught:
        load_data(f"folder:{photos}", resolution=32)
    text = str(caught.value)
    assert f"cat/{name} cannot be read as an image: " in text and len(text.splitlines()) == 1
    assert time.process_time() - began < 5


def test_an_image_of_another_kind_than_its_name_is_read_for_what_it_is(photos):
    _photo(1).save(photos / "cat" / "1.jpg", "GIF")
    _photo(2).save(photos / "cat" / "2.jpg", "PNG")
    _photo(3).save(photos / "dog" / "x.PNG", "JPEG")
    data = load_data(f"folder:{photos}", resolution=16)
    assert sum(map(len, (data.train, data.val, data.test))) == 21


def test_folders_and_links_that_look_like_images_are_passed_over_or_named(photos):
    before = load_data(f"folder:{photos}", resolution=16)
    (photos / "cat" / "x.png").mkdir()
    _photo().save(photos / "cat" / "x.png" / "1.png")
    (photos / "cat" / "self").symlink_to(photos / "cat")
    (photos / "dog" / "up").symlink_to(photos)
    (photos / "dog" / "up.jpg").symlink_to(photos)
    (photos / "cat" / "²3.txt").touch()
    after = load_data(f"folder:{photos}", resolution=16)
    assert torch.equal(before.train.images, after.train.images) and torch.equal(before.test.labels, after.test.labels)
    (photos / "cat" / "round.png").symlink_to(photos / "cat" / "round.png")
    with pytest.raises(DataError, match=r"round\.png cannot be read as an image"):
        load_data(f"folder:{photos}", resolution=16)


def test_links_that_lead_to_each_other_a_thousand_ways_cost_no_time(photos):
    for number in range(8):
        (photos / "cat" / f"link{number}").symlink_to(photos)
    began = time.process_time()
    load_data(f"folder:{photos}", resolution=16)
    assert time.process_time() - began < 5


def test_names_of_classes_and_files_may_be_anything_a_system_takes(tmp_path):
    names = ("<script>alert(1)", "a\nb", "²", "é" * 60)
    for name in names:
        (tmp_path / name).mkdir()
        for number in range(8):
            _photo(number).save(tmp_path / name / f"²{number}\n.png")
    assert load_data(f"folder:{tmp_path}", resolution=16).classes == tuple(sorted(names))
    (tmp_path / "a\nb" / "1.png").touch()
    with pytest.raises(DataError) as caught:
        load_data(f"folder:{tmp_path}", resolution=16)
    assert len(str(caught.value).splitlines()) == 1
