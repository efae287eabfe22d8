"""A competition kit for multilabel images: from folds to a scored submission."""

__version__ = "0.2.0"
