"""Settings with a grammar: parsed when a recipe is created, dumped as the same text."""

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema


def parsed_by(
    parse: Callable[[str], Any], kind: type, names: Iterable[str] = ()
) -> tuple[Any, ...]:
    """Annotations of a field of type `kind`: parsed from a text by `parse`, dumped by `str`.

    A value of that type is accepted unchanged. `names` are the allowed texts, for the schema.
    UserErrors of `parse` propagate.
    """

    def read(given: Any) -> Any:
        if isinstance(given, str):
            return parse(given)
        if not isinstance(given, kind):
            raise ValueError("input should be a text")
        return given

    schema: dict[str, Any] = {"type": "string"}
    if listed := list(names):
        schema["enum"] = listed
    return PlainValidator(read), PlainSerializer(str, return_type=str), WithJsonSchema(schema)
