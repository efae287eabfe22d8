"""The Keras backend: seeded, repeatable, and what it runs on."""

import keras


def prepare(seed: int) -> None:
    """Start a training afresh: free the last model, seed every generator, ask for repeatability.

    The weights of `keras.applications` and the backends' own kernels take no seed argument;
    this is the one place where the global generators are set.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def on_accelerator() -> bool:
    """Whether the backend sees a GPU or TPU.

    Each backend is asked in its own words: Keras 3.15 lists no devices for PyTorch.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU") + tf.config.list_physical_devices("TPU"))
    if keras.backend.backend() == "jax":
        import jax

        return bool(jax.default_backend() != "cpu")
    import torch

    return bool(torch.cuda.is_available() or torch.backends.mps.is_available())


def compiler() -> str | bool:
    """What to pass to Keras as `jit_compile`.

    On a CPU, TensorFlow's own kernels train a convnet faster than XLA's and start sooner:
    `bench/compiler.py` prints both.
    """
    if keras.backend.backend() == "tensorflow" and not on_accelerator():
        return False
    return "auto"
