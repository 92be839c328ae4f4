"""Floor 4: the keys of repositories, signatures made with them, and signatures checked."""

from __future__ import annotations

import base64
import binascii
import os
import re
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from farm.base.errors import CommandError, FarmFault, InputError
from farm.base.files import locked, settle, sweep, temporary
from farm.base.run import Result, run
from farm.model.names import check_repository
from farm.repo.gnupg import Home, Listed, read_listing

_TIMEOUT = timedelta(seconds=60)
_PATIENCE = timedelta(minutes=5)
_FINGERPRINT = re.compile(r"[0-9A-F]{40}")
_ARMOR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\s*?\n(?:[^\n:]+:[^\n]*\n)*\s*\n(.*?)"
    rb"(?:\n=[A-Za-z0-9+/]{4}\s*)?\n-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL,
)


@dataclass(frozen=True)
class Key:
    """A key that signs one repository.

    :param fingerprint: of the primary key, 40 upper case hex digits.
    :param user: how gpg is told which key to take.
    :param keys: the root of the workspace's keys.
    """

    repository: str
    fingerprint: str
    home: Home
    user: str
    keys: Path

    def clearsign(self, text_path: Path, out: Path) -> None:
        """Write a text and its signature into one file, as apt wants ``InRelease``.

        :raises FarmFault: when gpg cannot sign.
        """
        self._sign("--clearsign", text_path, out)

    def detach_sign(self, path: Path, out: Path) -> None:
        """Write the armored signature of a file beside it, as apt wants ``Release.gpg``.

        :raises FarmFault: when gpg cannot sign.
        """
        self._sign("--detach-sign", path, out)

    def export(self) -> bytes:
        """Give the public key as a binary keyring, the form of apt's ``Signed-By``."""
        return dearmor(self.export_armored().encode())

    def export_armored(self) -> str:
        """Give the public key as text."""
        options = ["--armor", "--export-options", "export-minimal", "--export"]
        text = self.home.gpg([*options, self.fingerprint]).stdout
        if not text:
            raise FarmFault(f"gpg gave nothing for the public key {self.fingerprint}.")
        return text

    def _sign(self, how: str, path: Path, out: Path) -> None:
        beside = out.with_name(f".{out.name}.{os.getpid()}")
        options = ["--armor", "--digest-algo", "SHA512", "--local-user", self.user]
        try:
            self.home.gpg([*options, "--output", beside, how, "--", path])
            beside.replace(out)
        except CommandError as error:
            raise FarmFault(
                f"The key {self.fingerprint} of repository {self.repository!r} did not sign "
                f"{path.name}.", details=error.details,
                hint="A key with a passphrase must be unlocked in your agent beforehand.",
            ) from error  # fmt: skip
        finally:
            beside.unlink(missing_ok=True)


class Keys:
    """The signing keys of a workspace.

    :param root: the folder for keys that the farm makes, one GnuPG home a repository.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def key(
        self, repository: str, *, fingerprint: str | None, owner: str, trusted: str = ""
    ) -> Key:
        """Give the key of a repository; without a fingerprint, make one on first use.

        What is made is Ed25519, without passphrase and without end: every apt since Debian 9
        (gpgv 2.1) verifies it.

        :param fingerprint: of a key in the user's own keyring.
        :param owner: who the key of a repository speaks for.
        :param trusted: the fingerprint of what signs the repository now, empty when it was never
            published; without another fingerprint only that one signs it, and none is made.
        :raises InputError: when the configured or trusted key is missing, expired or revoked.
        """
        check_repository(repository)
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.root.stat().st_mode & 0o077:
            self.root.chmod(0o700)
        if fingerprint:
            return self._configured(repository, fingerprint)
        if trusted:
            return self.recorded(repository, fingerprint=trusted, own=True)
        return self._own(repository, owner)

    def recorded(self, repository: str, *, fingerprint: str, own: bool) -> Key:
        """Give the key that signed a repository before, making none.

        :raises InputError: when it is missing, expired or revoked.
        """
        home = self._home(repository) if own else self._user_home()
        return self._checked(repository, home, fingerprint)

    def _home(self, repository: str) -> Home:
        name = repository.replace("/", "+")
        return Home(self.root / name, lock=self.root / f".{name}.lock", own=True)

    def _user_home(self) -> Home:
        path = os.environ.get("GNUPGHOME")
        return Home(Path(path) if path else None, lock=self.root / ".user.lock", own=False)

    def _configured(self, repository: str, fingerprint: str) -> Key:
        plain = re.sub(r"\s", "", fingerprint).upper().removeprefix("0X")
        if not _FINGERPRINT.fullmatch(plain):
            raise InputError(
                f"{fingerprint!r} is not the fingerprint of a key: it has 40 hex digits.",
                hint="gpg --list-secret-keys shows them.",
            )
        return self._checked(repository, self._user_home(), plain)

    def _own(self, repository: str, owner: str) -> Key:
        home = self._home(repository)
        path = self.root / repository.replace("/", "+")
        if not path.is_dir():
            making = self.root / ".making"
            sweep(making)
            busy = f"the key of repository {repository!r}"
            lock = self.root / f".{path.name}.making.lock"
            with locked(lock, timeout=_PATIENCE, what=busy), temporary(making) as folder:
                if not path.is_dir():
                    _generate(folder / "home", owner=f"{owner}, repository {repository}")
                    settle(folder / "home", path)
        return self._checked(repository, home, "")

    def _checked(self, repository: str, home: Home, wanted: str) -> Key:
        found = self._listed(repository, home, wanted)
        listed = _refuse(repository, found, home=home, wanted=wanted)
        return Key(repository, listed.fingerprint, home, wanted or listed.fingerprint, self.root)

    def _listed(self, repository: str, home: Home, wanted: str) -> Listed | None:
        if home.path and not home.path.is_dir():
            return None
        answer = home.gpg(["--with-colons", "--list-secret-keys", *wanted.split()], ok=None)
        found = read_listing(answer.stdout)
        if found is None and answer.returncode and "No secret key" not in answer.stderr:
            raise FarmFault(
                f"gpg cannot tell about the key of repository {repository!r}.",
                details=answer.stderr,
            )
        return found


def _generate(folder: Path, *, owner: str) -> None:
    """Make a home with one key; nothing is there before everything is."""
    folder.mkdir(mode=0o700)
    home = Home(folder, lock=folder.with_name("home.lock"), own=True)
    name = "".join(letter for letter in owner if letter.isprintable() and letter not in "<>")
    home.gpg(["--quick-generate-key", "--", name, "ed25519", "sign", "never"])


def _refuse(repository: str, listed: Listed | None, *, home: Home, wanted: str) -> Listed:
    """Refuse a key that is not there, or that cannot sign."""
    key = f"The key{wanted and ' '}{wanted} of repository {repository!r}"
    if listed is None and home.own:
        raise InputError(
            f"{key} is not in {home.path}; users trust only that one.",
            hint="Put that folder back from your copy. Or make a key in your own keyring and name "
            f'it in farm.toml: [repository."{repository}"] key = "FINGERPRINT"; every user has to '
            "install the new one.",
        )
    if listed is None:
        raise InputError(
            f"{key} is not in your keyring with its secret part.",
            hint="gpg --list-secret-keys shows those that are. Import it, or configure another.",
        )
    if listed.trouble:
        raise InputError(
            f"{key} {listed.trouble}.",
            hint="Give it a new date of expiry with gpg --edit-key, or configure another key.",
        )
    return listed


def verify_detached(path: Path, signature: Path, keyring: Path) -> str:
    """Verify that a key of the keyring, and nothing else, signed a file.

    :param keyring: binary or armored.
    :returns: the fingerprint of the primary key.
    :raises InputError: with gpgv's reason, when there is no good signature.
    """
    with tempfile.TemporaryDirectory(prefix="farm-gpgv-") as folder:
        return _verify([signature, path], keyring, folder=Path(folder), what=path.name)


def verify_clearsigned(path: Path, keyring: Path) -> tuple[str, bytes]:
    """Verify a text that carries its signature, such as ``InRelease``.

    :returns: the fingerprint of the primary key, and what was signed: text around it is no part.
    :raises InputError: with gpgv's reason, when there is no good signature.
    """
    with tempfile.TemporaryDirectory(prefix="farm-gpgv-") as folder:
        content = Path(folder) / "content"
        fingerprint = _verify(
            ["--output", content, path], keyring, folder=Path(folder), what=path.name
        )
        return fingerprint, content.read_bytes()


def _verify(arguments: list[str | Path], keyring: Path, *, folder: Path, what: str) -> str:
    try:
        (folder / "keyring.gpg").write_bytes(dearmor(keyring.read_bytes()))
    except OSError as error:
        raise InputError(f"The keyring {keyring} cannot be read: {error.strerror}.") from error
    argv: list[str | Path] = ["gpgv", "--homedir", folder, "--status-fd", "1"]
    argv += ["--keyring", folder / "keyring.gpg", *arguments]
    answer = run(argv, timeout=_TIMEOUT, ok=None)
    fingerprint = read_status(answer.stdout) if answer.returncode == 0 else ""
    if not fingerprint:
        raise InputError(
            f"The signature of {what} is not good: {_reason(answer)}.", details=answer.stderr
        )
    return fingerprint


def read_status(text: str) -> str:
    """Read what gpgv said on its status descriptor.

    :returns: the fingerprint of the primary key of a good signature, or an empty text: an expired
        or revoked key, an expired signature and a wrong one beside a good one are not good.
    """
    words = [line.split()[1:] for line in text.splitlines() if line.startswith("[GNUPG:] ")]
    kinds = {word[0] for word in words if word}
    valid = [word[-1] for word in words if word[:1] == ["VALIDSIG"]]
    if kinds & {"BADSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG"} or "GOODSIG" not in kinds:
        return ""
    return valid[0] if len(valid) == 1 else ""


def _reason(answer: Result) -> str:
    for word, reason in (
        ("EXPKEYSIG", "the key has expired"),
        ("REVKEYSIG", "the key has been revoked"),
        ("EXPSIG", "the signature has expired"),
        ("BADSIG", "the text was changed after it was signed"),
        ("NO_PUBKEY", "the key that signed it is not in the keyring"),
        ("NODATA", "there is no signature"),
    ):
        if f"[GNUPG:] {word} " in answer.stdout:
            return reason
    lines = answer.stderr.strip().splitlines()
    return lines[-1].removeprefix("gpgv: ").rstrip(".") if lines else "gpgv does not say why"


def dearmor(data: bytes) -> bytes:
    """Turn a keyring of text blocks into a binary one; a binary one stays as it is.

    The form is that of RFC 4880, section 6.2.

    :raises InputError: when a block is damaged.
    """
    if b"-----BEGIN PGP" not in data:
        return data
    blocks = _ARMOR.findall(data.replace(b"\r\n", b"\n"))
    try:
        binary = b"".join(base64.b64decode(b"".join(b.split()), validate=True) for b in blocks)
    except binascii.Error as error:
        raise InputError("The keyring is damaged: its text is not base64.") from error
    if not binary:
        raise InputError("The keyring holds no public key.")
    return binary
