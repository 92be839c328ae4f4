"""Production: replaced by what was tried, by nothing else, and taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.base.errors import InputError
from farm.base.files import sha256_of
from farm.repo.signing import verify_clearsigned
from tests.integration.release_workspace import TARGET, DemoWorkspace


@pytest.fixture
def promoted(released_demo: DemoWorkspace) -> DemoWorkspace:
    """A workspace whose version 1.0 is in rc and in production."""
    ran = released_demo.release("--promote", "production").expect()
    assert f"production now holds {released_demo.current('production')}" in ran.output
    return released_demo


def pool(tree: Path) -> dict[str, str]:
    """Give the checksums of the files that apt downloads."""
    return {
        str(path.relative_to(tree)): sha256_of(path)
        for path in tree.rglob("pool/**/*")
        if path.is_file()
    }


def test_production_gets_the_identical_files_under_a_key_of_its_own(
    promoted: DemoWorkspace,
) -> None:
    rc, production = promoted.tree(), promoted.tree("production")
    assert pool(rc) == pool(production)
    release = production / "dists/bookworm/InRelease"
    own, _ = verify_clearsigned(release, production / "demo-production-keyring.gpg")
    other, _ = verify_clearsigned(rc / "dists/bookworm/InRelease", rc / "demo-rc-keyring.gpg")
    assert own != other
    with pytest.raises(InputError, match="the key that signed it is not in the keyring"):
        verify_clearsigned(release, rc / "demo-rc-keyring.gpg")


def test_the_receipt_can_be_verified(promoted: DemoWorkspace) -> None:
    told = promoted.farm("verify", ".farm/repositories/production").expect()
    for gate in ("build", "repository", "howto"):
        assert gate in told.output
    deb = next(promoted.tree("production").glob("pool/main/d/demo-clock/*.deb"))
    text = deb.read_bytes()
    deb.unlink()
    deb.write_bytes(text[:-1] + b"?")
    assert promoted.farm("verify", ".farm/repositories/production").expect(1).output


def test_promoting_again_has_nothing_to_do(promoted: DemoWorkspace) -> None:
    before = promoted.current("production")
    ran = promoted.release("--promote", "production").expect()
    assert "production already holds this snapshot" in ran.output
    assert promoted.current("production") == before


def test_production_goes_back_and_forth(promoted: DemoWorkspace) -> None:
    first = promoted.current("production")
    promoted.set_version("demo-clock", "1.1")
    promoted.release("--promote", "production").expect()
    second = promoted.current("production")
    assert promoted.held("production")["demo-clock"] == "1.1"
    back = promoted.farm("rollback", "production").expect()
    assert f"production went back from {second} to {first}" in back.output
    assert promoted.held("production")["demo-clock"] == "1.0"
    promoted.farm("verify", ".farm/repositories/production").expect()
    promoted.farm("promote", "rc", "production").expect()
    assert promoted.current("production") == second
    promoted.farm("verify", ".farm/repositories/production").expect()
    promoted.farm("rollback", "production").expect()
    assert promoted.current("production") == first
    last = promoted.farm("rollback", "production").expect(2)
    assert "has no earlier state to return to" in last.output
    assert promoted.current("production") == first


def test_a_version_below_that_of_production_is_refused_in_rc(promoted: DemoWorkspace) -> None:
    promoted.set_version("demo-clock", "1.2")
    promoted.release("--promote", "production").expect()
    promoted.farm("rollback", "rc").expect()
    promoted.set_version("demo-clock", "1.1")
    ran = promoted.release("release_tests").expect(1)
    said = ran.items[f"test_versions[demo-clock@{TARGET}]"].message
    assert "would go back from 1.2 to 1.1, which production holds" in said
    assert promoted.held()["demo-clock"] == "1.0"


def test_a_run_that_is_not_green_promotes_nothing(promoted: DemoWorkspace) -> None:
    before = promoted.current("production")
    promoted.set_version("demo-clock", "1.1")
    promoted.edit("howtos/demo-clock.md", "demo-clock {version}", "demo-clock {version} or so")
    ran = promoted.release("--promote", "production").expect(1)
    assert "production stays as it is: this run was not green." in ran.output
    # rc does not ask for the HOWTOs; production does, however it is asked.
    assert promoted.held()["demo-clock"] == "1.1"
    refused = promoted.farm("promote", "rc", "production").expect(1)
    assert "the howto gate has not opened" in refused.output
    assert "howtos/demo-clock.md" in refused.output
    assert promoted.current("production") == before


def test_what_was_never_tried_is_not_promoted(promoted: DemoWorkspace) -> None:
    before = promoted.current("production")
    promoted.set_version("demo-clock", "1.1")
    ran = promoted.release("release_tests", "--promote", "production").expect(1)
    assert not ran.having("failed")
    assert "production may not be replaced, because the howto gate has not opened" in ran.output
    assert "nothing is recorded on exactly these digests" in ran.output
    assert promoted.current("production") == before
    # The same with everything is enough.
    promoted.release("--promote", "production").expect()
    assert promoted.held("production")["demo-clock"] == "1.1"


def test_a_howto_that_was_changed_after_it_passed_is_to_be_tried_again(
    released_demo: DemoWorkspace,
) -> None:
    released_demo.edit("howtos/demo-clock.md", "what time", "how late")
    refused = released_demo.farm("promote", "rc", "production").expect(1)
    assert "howtos/demo-clock.md" in refused.output
    assert released_demo.current("production") == ""
