"""Stems, backbones, heads and losses; one file a family of backbones."""
