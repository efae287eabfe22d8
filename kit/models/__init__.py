"""Stems, backbones, heads and losses: from the pixels of an image to one logit a class."""
