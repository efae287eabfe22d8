"""Recipes by name: one small file each, registered by being in this folder."""

from kit.core.registry import Registry
from kit.recipes.base import Recipe

recipes: Registry[Recipe] = Registry("model", __name__)
