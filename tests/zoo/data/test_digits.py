import torch
from sklearn.datasets import load_digits

from zoo.data import load_data


def test_every_image_is_in_one_part_only(digits):
    assert (len(digits.train), len(digits.val), len(digits.test)) == (1149, 288, 360)
    rows = torch.cat([part.images for part in (digits.train, digits.val, digits.test)]).flatten(1)
    assert len(torch.unique(rows, dim=0)) == len(torch.unique(torch.tensor(load_digits().data), dim=0))


def test_parts_are_stratified(digits):
    for part in (digits.train, digits.val, digits.test):
        shares = torch.bincount(part.labels, minlength=10) / len(part)
        assert (shares - 0.1).abs().max() < 0.02


def test_the_seed_decides_the_split(digits):
    assert torch.equal(load_data("digits", resolution=16).test.labels, digits.test.labels)
    assert not torch.equal(load_data("digits", resolution=16, seed=1).test.labels, digits.test.labels)
