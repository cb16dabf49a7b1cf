"""What is suppressed, in its one form: an address, or everybody at a domain."""

from __future__ import annotations

import pytest

from courierx_core.errors import InvalidInput
from courierx_core.suppression.model import domain_of, listed_as


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (" Ann@X.Example ", "ann@x.example"),
        ("@X.Example", "@x.example"),
        ("*@x.example", "@x.example"),
        ("@bücher.example", "@xn--bcher-kva.example"),
        ("*a@x.example", "*a@x.example"),
    ],
)
def test_one_form(text: str, form: str) -> None:
    assert listed_as(text) == form


@pytest.mark.parametrize(
    "text", ["", "@", "*", "*@", "@x", "@@x.example", "@a b.example", "x.example", "**@x.example@"]
)
def test_what_is_neither_an_address_nor_a_domain(text: str) -> None:
    with pytest.raises(InvalidInput):
        listed_as(text)


def test_the_domain_of_an_address() -> None:
    assert domain_of("ann@x.example") == "@x.example"
