"""Secrets at rest: the newest key encrypts, all decrypt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.errors import ConfigError
from courierx_core.secrets import SecretBox

OLD, NEW = "o" * 40, "n" * 40


@given(st.binary(max_size=300))
def test_what_goes_in_comes_out(plain: bytes) -> None:
    box = SecretBox([NEW])
    kept = box.encrypt(plain)
    assert box.decrypt(kept) == plain
    assert len(plain) < 4 or plain not in kept


def test_a_rotation_leaves_the_old_key_unneeded() -> None:
    kept = SecretBox([OLD]).encrypt(b"password")
    both = SecretBox([NEW, OLD])
    assert both.decrypt(kept) == b"password"
    renewed = both.renew(kept)
    assert SecretBox([NEW]).decrypt(renewed) == b"password"
    with pytest.raises(ConfigError, match="COURIERX_SECRET_KEY lacks"):
        SecretBox([OLD]).decrypt(renewed)


@pytest.mark.parametrize(
    "kept",
    [b"", b"x", b"password", SecretBox([OLD]).encrypt(b"x")[:-4]],
    ids=["nothing", "a letter", "plain", "cut off"],
)
def test_what_it_did_not_encrypt_is_refused(kept: bytes) -> None:
    with pytest.raises(ConfigError, match="cannot be decrypted"):
        SecretBox([OLD]).decrypt(kept)


@pytest.mark.parametrize("secrets", [[], [""], ["a", " "]])
def test_there_is_always_a_key(secrets: list[str]) -> None:
    with pytest.raises(ConfigError, match="COURIERX_SECRET_KEY"):
        SecretBox(secrets)


def test_it_never_prints_what_it_holds() -> None:
    assert NEW not in repr(SecretBox([NEW]))
