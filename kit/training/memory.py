"""Detect running out of memory, and split the batch further."""

# Error texts of TensorFlow, JAX and PyTorch on a GPU, and of PyTorch and NumPy on a CPU.
_WORDS = (
    *("ResourceExhausted", "RESOURCE_EXHAUSTED", "OOM when allocating", "OutOfMemory"),
    *("out of memory", "can't allocate memory", "not enough memory", "Unable to allocate"),
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of a backend or NumPy means that memory ran out.

    Also looks at the error's causes: under JAX, Keras' `fit` then fails again on weights that it
    has already donated.
    """
    if isinstance(error, MemoryError):
        return True
    text = f"{type(error).__name__}: {error}"
    if any(word in text for word in _WORDS):
        return True
    before = error.__cause__ or error.__context__
    return before is not None and is_out_of_memory(before)


def more_parts(batch: int, parts: int) -> int | None:
    """The next larger number of equal parts for a batch; None if parts are single images already.

    The number is a multiple of the previous one, so that counts of steps convert exactly: a batch
    of 10 goes from 1 part to 2, then to 10.
    """
    larger = range(2 * parts, batch + 1, parts)
    return next((number for number in larger if batch % number == 0), None)
