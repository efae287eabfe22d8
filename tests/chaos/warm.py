"""Imported by the server from which commands are forked, so that each finds everything there.

Nothing here may start TensorFlow's threads: a fork would not have them.
"""

import importlib
import os
import pkgutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# isort: split
import iterstrat.ml_stratifiers  # noqa: F401
import jinja2  # noqa: F401
import keras  # noqa: F401
import matplotlib.figure  # noqa: F401
import optuna  # noqa: F401
import pandas  # noqa: F401
import PIL.Image  # noqa: F401
import pyarrow.parquet  # noqa: F401
import sklearn.linear_model  # noqa: F401

import kit.cli

for _module in pkgutil.walk_packages(kit.__path__, "kit."):
    if not _module.name.endswith("__main__"):
        importlib.import_module(_module.name)
