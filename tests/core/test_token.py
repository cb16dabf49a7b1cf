"""Tokens: one spelling each, nothing forged, none of another tenant (T07), old keys for ever."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.errors import ConfigError, NotFound
from courierx_core.mail.token import KINDS, BadToken, Kind, TokenKeys

KEYS = TokenKeys(["a new secret", "an old secret"])
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
kinds = st.sampled_from(KINDS)
tenants = st.integers(0, 2**48)
deliveries = st.integers(0, 2**48)
links = st.integers(0, 2**16)


def rejected(text: str, tenant: int = 1) -> bool:
    try:
        KEYS.verify(KEYS.read(text), tenant)
    except BadToken:
        return True
    return False


@given(kinds, tenants, deliveries, links)
def test_a_token_reads_back(kind: Kind, tenant: int, delivery: int, link: int) -> None:
    link = link if kind == "click" else 0
    text = KEYS.mint(kind, tenant, delivery, link)
    token = KEYS.read(text)
    assert (token.kind, token.delivery_id, token.link) == (kind, delivery, link)
    KEYS.verify(token, tenant)
    assert len(text) <= 40
    assert re.fullmatch("[a-z2-7]+", text)


@given(kinds, tenants, deliveries, st.lists(links, max_size=12))
def test_minting_at_once_is_minting_one_by_one(
    kind: Kind, tenant: int, delivery: int, numbers: list[int]
) -> None:
    wanted: set[tuple[Kind, int]] = {("click", number) for number in numbers} | {("send", 0), (kind, 0)}
    stamps = KEYS.stamps(tenant, wanted)
    parts = stamps.mint(delivery)
    for each, link in wanted:
        assert stamps.text(parts, stamps.place(each, link)) == KEYS.mint(each, tenant, delivery, link)


@given(kinds, deliveries, st.data())
def test_any_bit_flipped_is_rejected(kind: Kind, delivery: int, data: st.DataObject) -> None:
    text = KEYS.mint(kind, 1, delivery)
    place = data.draw(st.integers(0, len(text) - 1))
    bit = data.draw(st.integers(0, 6))
    assert rejected(text[:place] + chr(ord(text[place]) ^ 1 << bit) + text[place + 1 :])


@given(kinds, deliveries, st.data())
def test_any_digit_changed_added_or_lost_is_rejected(kind: Kind, delivery: int, data: st.DataObject) -> None:
    text = KEYS.mint(kind, 1, delivery)
    place = data.draw(st.integers(0, len(text) - 1))
    digit = data.draw(st.sampled_from(ALPHABET.replace(text[place], "")))
    assert rejected(text[:place] + digit + text[place + 1 :])
    assert rejected(text[:place] + text[place + 1 :])
    assert rejected(text[:place] + text[place] + text[place:])
    assert rejected(text + digit)


def test_there_is_one_spelling() -> None:
    text = KEYS.mint("unsubscribe", 1, 77)
    for other in (text.upper(), text.capitalize(), text + "=", " " + text, text + "\n", "q" + text):
        assert rejected(other)
    assert rejected(text[:5] + "q" + text[5:])  # a leading zero digit of the delivery id
    assert not rejected(text.upper().lower())  # a relay may fold a VERP local part


def test_another_tenants_token_is_rejected() -> None:
    assert rejected(KEYS.mint("click", 2, 5, 1), tenant=1)


def test_a_token_of_one_kind_is_none_of_another() -> None:
    text = KEYS.mint("unsubscribe", 1, 5)
    assert all(rejected(digit + text[1:]) for digit in ALPHABET if digit != text[0])


def test_keys_rotate_and_old_links_live_on() -> None:
    before, after, later = TokenKeys(["old"]), TokenKeys(["new", "old"]), TokenKeys(["new"])
    old, new = before.mint("click", 3, 9, 4), after.mint("click", 3, 9, 4)
    assert old != new
    after.verify(after.read(old), 3)
    after.verify(after.read(new), 3)
    later.verify(later.read(new), 3)
    with pytest.raises(BadToken):
        later.verify(later.read(old), 3)
    with pytest.raises(BadToken):
        before.verify(before.read(new), 3)


@pytest.mark.parametrize("secrets", [[], [""], ["good", " "]])
def test_no_secret_is_a_configuration_error(secrets: list[str]) -> None:
    with pytest.raises(ConfigError, match="COURIERX_SECRET_KEY"):
        TokenKeys(secrets)


def test_no_secret_is_shown() -> None:
    assert "secret" not in repr(KEYS)


@given(st.text(max_size=60) | st.text(ALPHABET, min_size=17, max_size=40))
def test_junk_is_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        KEYS.verify(KEYS.read(text), 1)


@pytest.mark.parametrize(
    ("kind", "delivery", "link"),
    [("open", 1, 1), ("click", 1, -1), ("click", 1, 1 << 20), ("send", -1, 0), ("send", 1 << 63, 0)],
)
def test_numbers_out_of_range_are_not_minted(kind: Kind, delivery: int, link: int) -> None:
    with pytest.raises(ValueError, match=r"\d"):
        KEYS.mint(kind, 1, delivery, link)
