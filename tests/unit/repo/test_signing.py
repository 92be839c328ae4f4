from __future__ import annotations

import base64

import pytest

from farm.base.errors import InputError
from farm.repo.gnupg import read_listing
from farm.repo.signing import dearmor, read_status

FINGERPRINT = "B57AC215EBF42796ED7689EB4843A6DA910E789C"
GOOD = f"""[GNUPG:] NEWSIG
[GNUPG:] GOODSIG 4843A6DA910E789C Sample, repository rc
[GNUPG:] VALIDSIG {"C" * 40} 2026-11-23 1795447401 0 4 0 22 10 01 {FINGERPRINT}
"""


def test_the_primary_key_of_a_good_signature_is_told() -> None:
    assert read_status(GOOD) == FINGERPRINT


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD.replace("GOODSIG", "BADSIG"),
        GOOD.replace("GOODSIG", "EXPKEYSIG"),
        GOOD.replace("GOODSIG", "EXPSIG"),
        GOOD.replace("GOODSIG", "REVKEYSIG"),
        GOOD.replace("VALIDSIG", "SOMESIG"),
        GOOD.replace("[GNUPG:] ", ""),
        f"{GOOD}[GNUPG:] BADSIG 4843A6DA910E789C Somebody\n",
        "[GNUPG:] ERRSIG E9370C80713E6231 22 8 01 1795447401 9\n[GNUPG:] NO_PUBKEY E9370C80\n",
    ],
)
def test_every_other_signature_is_not_good(text: str) -> None:
    assert read_status(text) == ""


def armored(data: bytes, *, head: str = "") -> bytes:
    body = base64.encodebytes(data).decode()
    name = "PGP PUBLIC KEY BLOCK"
    return f"-----BEGIN {name}-----\n{head}\n{body}=AbC/\n-----END {name}-----\n".encode()


def test_armored_keyrings_become_binary() -> None:
    data = bytes(range(256))
    assert dearmor(armored(data)) == data
    assert dearmor(armored(data, head="Comment: a key\nVersion: 1\n")) == data
    assert dearmor(armored(data).replace(b"\n", b"\r\n")) == data
    assert dearmor(b"Alice:\n" + armored(data) + b"Bob:\n" + armored(b"more")) == data + b"more"


def test_binary_keyrings_stay() -> None:
    assert dearmor(b"\x98\x33\x04") == b"\x98\x33\x04"


@pytest.mark.parametrize(
    "text", [armored(b"x").replace(b"eA==", b"e!=="), b"-----BEGIN PGP X-----"]
)
def test_a_damaged_keyring_is_refused(text: bytes) -> None:
    with pytest.raises(InputError, match="The keyring"):
        dearmor(text)


def listing(
    *, validity: str = "u", expires: str = "", uses: str = "scSC", kept: str = "+", more: str = ""
) -> str:
    return (
        f"sec:{validity}:255:22:E9370C80713E6231:1795447401:{expires}::u:::{uses}:::{kept}::e:::0:\n"
        f"fpr:::::::::{FINGERPRINT}:\n"
        f"grp:::::::::C4AC198890439619AA7AC0CD847C876A6D1CC7BA:\n"
        f"uid:u::::1795447401::EC6E::Sample, repository rc::::::::::0:\n{more}"
    )


def subkey(validity: str = "u", uses: str = "s", kept: str = "+") -> str:
    line = f"ssb:{validity}:255:22:AAAA:1795447401::::::{uses}:::{kept}::e:"
    return f"{line}\nfpr:::::::::{'D' * 40}:\n"


def trouble(text: str) -> str:
    listed = read_listing(text)
    assert listed is not None
    assert listed.fingerprint == FINGERPRINT
    return listed.trouble


def test_a_key_that_can_sign() -> None:
    assert trouble(listing()) == ""
    assert trouble(listing(uses="cSC", more=subkey())) == ""
    assert trouble(listing(kept="#", more=subkey())) == ""


def test_a_key_that_cannot_sign_says_why() -> None:
    assert trouble(listing(validity="r")) == "has been revoked"
    assert trouble(listing(validity="e", expires="1580515200")) == "expired on 2020-02-01"
    unable = "has no secret part that can sign"
    assert trouble(listing(kept="#")) == unable
    assert trouble(listing(uses="cC")) == unable
    assert trouble(listing(uses="cSC", more=subkey(validity="e"))) == unable
    assert trouble(listing(uses="cSC", more=subkey(uses="e"))) == unable
    assert trouble(listing(uses="cSC", more=subkey(kept="#"))) == unable


def test_no_key_is_none() -> None:
    assert read_listing("") is None
    assert read_listing("uid:u::::1795447401::EC6E::Sample::::::::::0:\n") is None
