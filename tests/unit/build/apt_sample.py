"""A base with a few packages and a small archive in a folder, as real apt sees them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from farm.base.files import sha256_of
from farm.base.run import run
from farm.build.aptview import AptView, Extra, flat_repository
from farm.model.layout import Layout
from farm.model.target import Target
from farm.source.apt_config import render_configuration
from farm.source.archive import Archive

TARGET = Target("bookworm", "amd64")


def stanza(name: str, version: str, *, architecture: str = "amd64", **fields: str) -> str:
    """A package of an index, as the farm writes it."""
    lines = {
        "Package": name, "Version": version, "Architecture": architecture, "Maintainer": "alice",
        **fields, "Filename": f"./{name}.deb", "Size": "10", "SHA256": "a" * 64,
    }  # fmt: skip
    return "".join(f"{key}: {value}\n" for key, value in lines.items())


def of_file(text: str, path: Path) -> str:
    """The same with size and digest of a file."""
    size = f"Size: {path.stat().st_size}"
    return text.replace("a" * 64, sha256_of(path)).replace("Size: 10", size)


class Apt:
    """A base with no packages, and an archive with none, unless they are given some."""

    def __init__(self, root: Path) -> None:
        self.mirror = root / "mirror"
        self.layout = Layout(root / "state").prepare()
        self.offered = root / "offered ones"
        self.status = root / "status"
        self.status.touch()
        generation = root / "generation"
        (generation / "lists").mkdir(parents=True)
        (generation / "apt.conf").write_text(render_configuration(generation, target=TARGET))
        (generation / "farm.sources").touch()
        archive = SimpleNamespace(
            apt_conf=generation / "apt.conf", generation=generation, target=TARGET,
            lists_dir=generation / "lists", identity=lambda: "today",
        )  # fmt: skip
        self.archive = cast(Archive, archive)

    def publish(self, name: str, version: str, **fields: str) -> Path:
        """Have a package in the archive; gives the file that the archive has."""
        self.mirror.mkdir(exist_ok=True)
        path = self.mirror / f"{name}.deb"
        path.write_text(f"{name} {version}")
        with (self.mirror / "Packages").open("a") as stream:
            stream.write(of_file(stanza(name, version, **fields), path) + "\n")
        generation = self.archive.generation
        (generation / "farm.sources").write_text(
            f"Types: deb\nURIs: copy:{self.mirror}\nSuites: ./\nTrusted: yes\n"
        )
        env = {"APT_CONFIG": str(self.archive.apt_conf)}
        for name in ("lists/partial", "cache/archives/partial"):
            (generation / name).mkdir(parents=True, exist_ok=True)
        run(["apt-get", "-q", "update"], timeout=timedelta(minutes=1), env=env)
        return path

    def install(self, name: str, version: str) -> None:
        """Have a package in the base; dpkg does not say from which file it came."""
        text = stanza(name, version).partition("Filename: ")[0]
        with self.status.open("a") as stream:
            stream.write(f"{text}Status: install ok installed\n\n")

    def offer(self, *stanzas: str) -> AptView:
        return self.view(flat_repository(self.offered, stanzas=stanzas))

    def view(self, extra: Extra | None = None) -> AptView:
        return AptView(self.layout, archive=self.archive, status=self.status, extra=extra)
