"""Recipes: compression steps in order, each behind a gate of accuracy and latency."""

from model_compression.recipe.judgement import Attempt, Interval, StepReport, Verdict
from model_compression.recipe.recipe import RECIPES, Recipe
from model_compression.recipe.step import STEPS, Job, Step

__all__ = ["RECIPES", "STEPS", "Attempt", "Interval", "Job", "Recipe", "Step", "StepReport", "Verdict"]
