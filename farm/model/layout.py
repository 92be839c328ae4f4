"""Floor 1: what lies where in the state folder of a workspace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Paths below the state folder, ``.farm`` unless configured otherwise.

    ``store`` is content-addressed and never changes; ``cache`` can be deleted at any time.
    """

    root: Path

    def prepare(self) -> Layout:
        """Make the folders that sandboxes look into readable, whatever the umask is."""
        for path in (self.root, self.store, self.builds, self.sources, self.snapshots, self.cache,
                     self.trees, self.debs, self.environments, self.repositories):  # fmt: skip
            path.mkdir(parents=True, exist_ok=True)
            if path.stat().st_mode & 0o777 != 0o755:
                path.chmod(0o755)
        return self

    @property
    def store(self) -> Path:
        """Home of all that is addressed by content."""
        return self.root / "store"

    @property
    def sources(self) -> Path:
        """Source packages, by digest."""
        return self.store / "sources"

    @property
    def chroots(self) -> Path:
        """Base chroots, as compressed archives."""
        return self.store / "chroots"

    @property
    def builds(self) -> Path:
        """Finished builds, by key."""
        return self.store / "builds"

    @property
    def snapshots(self) -> Path:
        """Immutable states of repositories."""
        return self.store / "snapshots"

    @property
    def installers(self) -> Path:
        """What installers of machines boot and unpack, by what it was made of."""
        return self.store / "installers"

    @property
    def installed(self) -> Path:
        """Machines as they were when they had just been installed, by key."""
        return self.store / "machines"

    @property
    def images(self) -> Path:
        """Images of machines, by key."""
        return self.store / "images"

    @property
    def image_sets(self) -> Path:
        """Images that were published together, with their signatures."""
        return self.store / "image-sets"

    @property
    def published_images(self) -> Path:
        """Where users find images: one symbolic link a repository."""
        return self.root / "images"

    @property
    def machines(self) -> Path:
        """Machines that run, or are kept because something failed on them."""
        return self.root / "machines"

    @property
    def cache(self) -> Path:
        """What can be made again."""
        return self.root / "cache"

    @property
    def trees(self) -> Path:
        """Unpacked chroots and layers, owned by subordinate users."""
        return self.cache / "trees"

    @property
    def debs(self) -> Path:
        """Packages downloaded from the distributions."""
        return self.cache / "debs"

    @property
    def archives(self) -> Path:
        """Private apt configurations, one a target."""
        return self.cache / "archives"

    @property
    def environments(self) -> Path:
        """Throw-away and kept overlays."""
        return self.root / "environments"

    @property
    def failures(self) -> Path:
        """What is known about builds that failed."""
        return self.root / "failures"

    @property
    def last_builds(self) -> Path:
        """The inputs of the last build of each package and target."""
        return self.root / "last-builds"

    @property
    def locks(self) -> Path:
        """Files for flock(2)."""
        return self.root / "locks"

    @property
    def temporary(self) -> Path:
        """Folders of running processes."""
        return self.root / "tmp"

    @property
    def repositories(self) -> Path:
        """Where users point apt: one symbolic link a repository."""
        return self.root / "repositories"

    @property
    def keys(self) -> Path:
        """Signing keys, one GnuPG home a repository."""
        return self.root / "keys"

    @property
    def receipts(self) -> Path:
        """A copy of every receipt."""
        return self.store / "receipts"

    @property
    def ledger(self) -> Path:
        """The SQLite file with all verdicts."""
        return self.root / "ledger.sqlite"

    @property
    def runs(self) -> Path:
        """What running pytest processes tell each other."""
        return self.root / "runs"
