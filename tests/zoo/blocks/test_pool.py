import pytest
import torch

from zoo.blocks.pool import MaxPool


def by_loops(image, kernel, stride, padding, ceil_mode):
    """Maxima over windows that start inside the padded image; `ceil_mode` keeps those that stick out at its end."""
    size = image.shape[-1]
    starts = [s for s in range(-padding, size + padding, stride) if s + kernel <= size + padding or ceil_mode]
    starts = [s for s in starts if s < size]  # a window of padding alone is none
    if ceil_mode:  # at most one window sticks out
        inside = [s for s in starts if s + kernel <= size + padding]
        starts = starts[: len(inside) + (inside[-1] + kernel < size + padding)]
    rows = [image[max(s, 0) : s + kernel].amax(0) for s in starts]
    return torch.stack([torch.stack(rows)[:, max(s, 0) : s + kernel].amax(1) for s in starts], 1)


@pytest.mark.parametrize("size", [7, 8, 9])
@pytest.mark.parametrize(("kernel", "padding"), [(3, 1), (3, 0), (2, 0)])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_equals_maxima_over_windows(size, kernel, padding, ceil_mode):
    images = torch.randn(1, 2, size, size, generator=torch.Generator().manual_seed(size))
    pool = MaxPool(2, 2, kernel=kernel, padding=padding, ceil_mode=ceil_mode)
    expected = torch.stack([by_loops(image, kernel, 2, padding, ceil_mode) for image in images[0]])
    torch.testing.assert_close(pool(images)[0], expected)


def test_ceil_mode_keeps_what_floor_drops():
    images = torch.zeros(1, 1, 6, 6)
    images[..., -1] = 1
    assert MaxPool(1, 1, padding=0)(images).max() == 0
    assert MaxPool(1, 1, padding=0, ceil_mode=True)(images).max() == 1


@pytest.mark.parametrize(
    ("build", "message"),
    [(lambda: MaxPool(4, 8), "keeps the channels"), (lambda: MaxPool(4, 4, padding=2), "more than half")],
)
def test_what_cannot_be_built_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
