"""What to do when a batch does not fit into memory."""

# How each backend says so: TensorFlow, JAX and PyTorch on a GPU, PyTorch and NumPy on a CPU.
_WORDS = (
    *("ResourceExhausted", "RESOURCE_EXHAUSTED", "OOM when allocating", "OutOfMemory"),
    *("out of memory", "can't allocate memory", "not enough memory", "Unable to allocate"),
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of a backend, or of NumPy, means that memory did not suffice.

    Also where another error came while that one was handled: under JAX, Keras' `fit` trips over
    the weights that it gave away before.
    """
    if isinstance(error, MemoryError):
        return True
    text = f"{type(error).__name__}: {error}"
    if any(word in text for word in _WORDS):
        return True
    before = error.__cause__ or error.__context__
    return before is not None and is_out_of_memory(before)


def more_parts(batch: int, parts: int) -> int | None:
    """The next larger number of equal parts for a batch; None when it is in single images.

    Each part is divided again, so that steps counted in the parts before can be counted in these:
    a batch of 10 goes from 1 part to 2, then to 10.
    """
    larger = range(2 * parts, batch + 1, parts)
    return next((number for number in larger if batch % number == 0), None)
