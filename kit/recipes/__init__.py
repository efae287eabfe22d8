"""Experiments by name: one small file each, found by being in this folder."""

from kit.core.registry import Registry
from kit.recipes.base import Recipe

recipes: Registry[Recipe] = Registry("model", __name__)
