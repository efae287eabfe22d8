"""Stems, backbones, heads and losses: from an image's pixels to one logit per class."""
