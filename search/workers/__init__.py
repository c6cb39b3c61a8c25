"""Who scores the candidates: this process, or Ray tasks."""

from search.workers.in_process import InProcess
from search.workers.ray import RayWorkers

__all__ = ["InProcess", "RayWorkers"]
