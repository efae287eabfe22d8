"""The Keras backend: seeds, determinism, precision and devices."""

import gc

import keras


def prepare(seed: int, precision: str = "float32") -> None:
    """Prepare for a training: free the last model, seed all generators, request determinism.

    The weights of `keras.applications` and the backends' kernels take no seed argument, and layers
    take their precision from Keras' policy, so global state is set here, and only here.
    `precision` is the recipe's.
    """
    keras.utils.clear_session()
    gc.collect()
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(policy(precision))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def policy(precision: str) -> str:
    """Keras' name for a recipe's precision; `mixed` depends on this machine's device."""
    if precision != "mixed":
        return precision
    if not on_accelerator():
        return "float32"
    return "mixed_bfloat16" if has_bfloat16() else "mixed_float16"


def has_bfloat16() -> bool:
    """Whether the accelerator supports bfloat16: TPUs, and NVIDIA GPUs since Ampere (8.0)."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        return all(one.get("compute_capability", (8, 0)) >= (8, 0) for one in details)
    if keras.backend.backend() == "jax":
        import jax

        # Only NVIDIA reports a number. TPUs report none; AMD GPUs that JAX supports have bfloat16.
        capability = str(getattr(jax.devices()[0], "compute_capability", ""))
        return not capability.replace(".", "").isdecimal() or float(capability) >= 8.0
    import torch

    return bool(torch.cuda.is_available() and torch.cuda.is_bf16_supported(False))


def on_accelerator() -> bool:
    """Whether the backend sees a GPU or TPU.

    Asks each backend directly, because Keras 3.15 lists no devices for PyTorch.
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
    """The value for Keras' `jit_compile`.

    On a CPU, TensorFlow's own kernels train a convnet faster than XLA's and start sooner:
    `bench/compiler.py` measures both.
    """
    if keras.backend.backend() == "tensorflow" and not on_accelerator():
        return False
    return "auto"
