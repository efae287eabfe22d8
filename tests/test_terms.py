"""The grammar of `0.5*focal(gamma=2)+0.5*lovasz` and `symmetries+crop(0.6)`."""

import pytest

from kit.core.errors import UserError
from kit.core.terms import Term, parse_terms

KNOWN = {"bce": {}, "focal": {"gamma": 2.0, "alpha": 0.5}, "crop": {"area": 0.5}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bce", [Term("bce", {})]),
        ("focal", [Term("focal", {"gamma": 2.0, "alpha": 0.5})]),
        ("focal(1)", [Term("focal", {"gamma": 1.0, "alpha": 0.5})]),
        ("focal(1, 0.25)", [Term("focal", {"gamma": 1.0, "alpha": 0.25})]),
        ("focal(alpha=1e-2)", [Term("focal", {"gamma": 2.0, "alpha": 0.01})]),
        ("bce+crop(.3)", [Term("bce", {}), Term("crop", {"area": 0.3})]),
        (
            "0.5*focal(gamma=1e+0) + 2*bce",
            [Term("focal", {"gamma": 1.0, "alpha": 0.5}, 0.5), Term("bce", {}, 2.0)],
        ),
    ],
)
def test_what_a_text_says(text: str, expected: list[Term]) -> None:
    assert list(parse_terms("loss", text, KNOWN)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "loss '' is not of the form name, name(number) or number*name."),
        ("bce+", "loss '' is not of the form name, name(number) or number*name."),
        ("focal(1", "loss 'focal(1' is not of the form name, name(number) or number*name."),
        ("focall", "No loss 'focall'. Known: bce, crop, focal. Did you mean 'focal'?"),
        ("x*bce", "loss 'x*bce': 'x' is not a number."),
        ("nan*bce", "loss 'nan*bce': 'nan' is not a number."),
        (
            "focal(2,3,4)",
            "loss 'focal(2,3,4)' has too many parameters; it takes gamma=2, alpha=0.5.",
        ),
        ("bce(1)", "loss 'bce(1)' has too many parameters; it takes none."),
        (
            "focal(beta=1)",
            "loss 'focal(beta=1)': no parameter 'beta'; it takes gamma=2, alpha=0.5.",
        ),
        ("bce+bce", "loss 'bce+bce' names bce twice."),
    ],
)
def test_what_does_not_read_is_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_terms("loss", text, KNOWN)
    assert str(raised.value) == message
