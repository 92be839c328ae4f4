"""Keys of repositories through real gpg and gpgv."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from farm.base.errors import InputError
from farm.repo.gnupg import Home
from farm.repo.signing import Key, Keys, verify_clearsigned, verify_detached

FORK = multiprocessing.get_context("fork")
LONG_AGO = ("--faked-system-time", "20200101T000000!")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "Release"
    path.write_text("Origin: Sample\nSuite: rc\n")
    return path


@pytest.fixture
def keyring(keys: Keys, tmp_path: Path) -> Path:
    path = tmp_path / "rc.gpg"
    path.write_bytes(make(keys).export())
    return path


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Give the keyring of a user, who has said so with GNUPGHOME."""
    folder = tmp_path / "user"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(folder))
    return Home(folder, lock=tmp_path / "user.lock", own=True)


def make(keys: Keys, repository: str = "rc") -> Key:
    return keys.key(repository, fingerprint=None, owner="Sample")


def generate(user: Home, *, until: str = "never", options: tuple[str, ...] = ()) -> str:
    """Make a key in a user's keyring; give its fingerprint."""
    argv = [*options, "--status-fd", "1", "--quick-generate-key", "A User", "ed25519", "sign"]
    made = user.gpg([*argv, until]).stdout
    return next(line.split()[-1] for line in made.splitlines() if "KEY_CREATED" in line)


def agents(folder: Path) -> list[str]:
    """Give the command lines of the agents that live in a folder; the dead have none."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"gpg-agent") and any(os.fsencode(folder) in word for word in words):
            found.append(b" ".join(words).decode())
    return found


def links(folder: Path) -> list[Path]:
    """Give the short names that lead into a folder."""
    found = [path for path in Path("/tmp").glob("farm-gpg-*") if path.is_symlink()]  # noqa: S108
    return [path for path in found if str(path.resolve()).startswith(str(folder))]


def test_the_first_use_makes_a_key_and_the_next_ones_find_it(keys: Keys) -> None:
    first = make(keys, "private/alice")
    again = make(Keys(keys.root), "private/alice")
    assert first.fingerprint == again.fingerprint
    assert (keys.root / "private+alice").stat().st_mode & 0o777 == 0o700
    assert keys.root.stat().st_mode & 0o777 == 0o700


def test_repositories_have_keys_of_their_own(keys: Keys) -> None:
    assert make(keys, "rc").fingerprint != make(keys, "production").fingerprint


def _put_fingerprint(root: Path, found: multiprocessing.Queue[str]) -> None:
    found.put(make(Keys(root)).fingerprint)


def test_processes_that_come_at_once_get_one_key(keys: Keys) -> None:
    found: multiprocessing.Queue[str] = FORK.Queue()
    workers = [FORK.Process(target=_put_fingerprint, args=(keys.root, found)) for _ in range(4)]
    for worker in workers:
        worker.start()
    assert len({found.get(timeout=30) for _ in workers}) == 1
    for worker in workers:
        worker.join(10)


def test_a_clear_signed_text_verifies(keys: Keys, text: Path, keyring: Path) -> None:
    key = make(keys)
    key.clearsign(text, text.with_name("InRelease"))
    found = verify_clearsigned(text.with_name("InRelease"), keyring)
    assert found == (key.fingerprint, text.read_bytes())


def test_text_around_the_signed_one_is_no_part_of_it(
    keys: Keys, text: Path, keyring: Path
) -> None:
    signed = text.with_name("InRelease")
    make(keys).clearsign(text, signed)
    signed.write_text(f"Suite: production\n{signed.read_text()}Suite: production\n")
    assert verify_clearsigned(signed, keyring)[1] == text.read_bytes()


def test_a_detached_signature_verifies_with_an_armored_keyring(keys: Keys, text: Path) -> None:
    key = make(keys)
    signature = text.with_name("Release.gpg")
    key.detach_sign(text, signature)
    keyring = text.with_name("rc.asc")
    keyring.write_text(key.export_armored())
    assert verify_detached(text, signature, keyring) == key.fingerprint


def test_a_changed_text_is_refused(keys: Keys, text: Path, keyring: Path) -> None:
    signed = text.with_name("InRelease")
    make(keys).clearsign(text, signed)
    signed.write_text(signed.read_text().replace("rc", "production", 1))
    with pytest.raises(InputError, match="InRelease is not good: the text was changed after"):
        verify_clearsigned(signed, keyring)


def test_the_signature_of_another_key_is_refused(keys: Keys, text: Path, keyring: Path) -> None:
    signature = text.with_name("Release.gpg")
    make(keys, "production").detach_sign(text, signature)
    with pytest.raises(InputError, match="the key that signed it is not in the keyring"):
        verify_detached(text, signature, keyring)


def test_a_text_without_signature_is_refused(text: Path, keyring: Path) -> None:
    with pytest.raises(InputError, match="there is no signature"):
        verify_clearsigned(text, keyring)


def test_a_missing_keyring_is_one_sentence(text: Path) -> None:
    with pytest.raises(InputError, match=r"The keyring .*nothing cannot be read"):
        verify_clearsigned(text, text.with_name("nothing"))


def test_no_agent_stays(keys: Keys, text: Path) -> None:
    for _ in range(20):
        make(keys).detach_sign(text, text.with_name("Release.gpg"))
        assert not agents(keys.root.parent)


@pytest.mark.parametrize("length", [*range(76, 110), 250])
def test_deep_folders_have_room_for_a_socket(tmp_path: Path, text: Path, length: int) -> None:
    room = length - len(str(tmp_path)) - len("//keys/rc")
    keys = Keys(tmp_path / ("d" * max(room, 1)) / "keys")
    key = make(keys)
    key.clearsign(text, text.with_name("InRelease"))
    keyring = text.with_name("rc.gpg")
    keyring.write_bytes(key.export())
    assert verify_clearsigned(text.with_name("InRelease"), keyring)[0] == key.fingerprint
    assert not list((keys.root / "rc").glob("S.*"))
    assert not links(tmp_path)


def _die_with_an_agent(root: Path) -> None:
    key = make(Keys(root))
    with key.home.opened():
        key.home.gpg(["--list-secret-keys"])
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("folder", ["keys", "deep" * 40])
def test_a_killed_process_is_no_obstacle(tmp_path: Path, text: Path, folder: str) -> None:
    root = tmp_path / folder / "keys"
    worker = FORK.Process(target=_die_with_an_agent, args=(root,))
    worker.start()
    worker.join(30)
    assert worker.exitcode == -signal.SIGKILL
    make(Keys(root)).detach_sign(text, text.with_name("Release.gpg"))
    assert not agents(tmp_path)
    assert not links(tmp_path)


def test_a_configured_key_signs(keys: Keys, user: Home, text: Path) -> None:
    fingerprint = generate(user)
    key = keys.key("production", fingerprint=fingerprint.lower(), owner="Sample")
    key.detach_sign(text, text.with_name("Release.gpg"))
    keyring = text.with_name("production.gpg")
    keyring.write_bytes(key.export())
    assert verify_detached(text, text.with_name("Release.gpg"), keyring) == fingerprint
    assert not (keys.root / "production").exists()


def test_an_agent_of_the_user_stays(keys: Keys, user: Home) -> None:
    fingerprint = generate(user)
    with user.opened():
        user.gpg(["--list-secret-keys"])
        (before,) = agents(user.path or Path())
        keys.key("production", fingerprint=fingerprint, owner="Sample")
        assert agents(user.path or Path()) == [before]


def test_a_configured_key_that_is_missing_is_refused(keys: Keys, user: Home) -> None:
    assert user.path
    with pytest.raises(InputError, match=rf"The key {'A' * 40} of repository 'production' is not"):
        keys.key("production", fingerprint="A" * 40, owner="Sample")


def test_a_configured_key_that_has_expired_is_refused(keys: Keys, user: Home) -> None:
    fingerprint = generate(user, until="2020-02-01", options=LONG_AGO)
    with pytest.raises(InputError, match=r"of repository 'production' expired on 2020-02-01\."):
        keys.key("production", fingerprint=fingerprint, owner="Sample")


def test_a_configured_key_that_was_revoked_is_refused(keys: Keys, user: Home) -> None:
    fingerprint = generate(user)
    assert user.path
    certificate = user.path / "openpgp-revocs.d" / f"{fingerprint}.rev"
    certificate.write_text(certificate.read_text().replace(":-----BEGIN", "-----BEGIN"))
    user.gpg(["--import", certificate])
    with pytest.raises(InputError, match="of repository 'production' has been revoked"):
        keys.key("production", fingerprint=fingerprint, owner="Sample")


@pytest.mark.parametrize("text", ["alice@example.org", "ABCD", ""])
def test_only_a_whole_fingerprint_names_a_key(keys: Keys, text: str) -> None:
    with pytest.raises(InputError, match="40 hex digits"):
        keys.key("production", fingerprint=text or "-", owner="Sample")


def test_what_an_expired_key_signed_is_refused(user: Home, text: Path) -> None:
    fingerprint = generate(user, until="2020-02-01", options=LONG_AGO)
    signature = text.with_name("Release.gpg")
    user.gpg([*LONG_AGO, "--output", signature, "--detach-sign", text])
    keyring = text.with_name("user.asc")
    keyring.write_text(user.gpg(["--armor", "--export", fingerprint]).stdout)
    with pytest.raises(InputError, match="the key has expired"):
        verify_detached(text, signature, keyring)
