"""NAS-Bench-201 (arXiv:2001.00326): 15,625 cells in networks for CIFAR's images."""

from search.spaces import SPACES, CellSpace

SPACES.register("nasbench201")(CellSpace(name="nasbench201", resolutions=(32,)))
