"""A source package in a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from farm.base.errors import SourceError
from farm.source.package import (
    DeclaredBinary,
    build_depends,
    package_list,
    read_dsc,
    read_source_package,
)

DSC = """Format: 3.0 (quilt)
Source: libre
Binary: libre0, libre-dev
Architecture: any all
Version: 1:1.1.0-1
Build-Depends: debhelper-compat (= 13), libssl-dev,
 zlib1g-dev [linux-any]
Build-Depends-Indep: doxygen
Build-Conflicts: autoconf2.13
Package-List:
 libre0 deb libs optional arch=any
 libre-dev deb libdevel optional arch=any profile=!stage1
 libre-doc deb doc optional arch=all profile=!nodoc,!cross+pkg.libre.doc
 libre0-udeb udeb debian-installer optional arch=linux-any
 libre-arm deb libs optional arch=armel,armhf essential=yes
"""


def write(folder: Path, *, text: str = DSC, **files: str) -> Path:
    """Write a source package with these files (``orig="..."`` is ``libre_orig``)."""
    folder.mkdir(exist_ok=True)
    lines = ["Checksums-Sha256:"]
    for name, content in (files or {"orig": "original\n"}).items():
        (folder / f"libre_{name}").write_text(content)
        digest = hashlib.sha256(content.encode()).hexdigest()
        lines.append(f" {digest} {len(content)} libre_{name}")
    dsc = folder / "libre_1.1.0-1.dsc"
    dsc.write_text(text + "\n".join(lines) + "\n")
    return dsc


def test_a_folder_is_read_and_verified(tmp_path: Path) -> None:
    dsc = write(tmp_path / "a", orig="original\n", debian="packaging\n")
    package = read_source_package(dsc.parent, origin="here")
    assert (package.name, package.version, package.origin) == ("libre", "1:1.1.0-1", "here")
    assert package.dsc.path == dsc
    assert [file.name for file in package.files] == ["libre_orig", "libre_debian"]
    assert package.files[0].size == 9
    assert package.binaries == ("libre0", "libre-dev", "libre-doc", "libre0-udeb", "libre-arm")


def test_its_digest_depends_on_all_files_and_not_on_the_place(tmp_path: Path) -> None:
    one = read_source_package(write(tmp_path / "a").parent)
    same = read_source_package(write(tmp_path / "b").parent)
    other = read_source_package(write(tmp_path / "c", orig="Original\n").parent)
    assert one.digest == same.digest
    assert one.digest != other.digest


def test_a_changed_file_is_named_with_both_digests(tmp_path: Path) -> None:
    folder = write(tmp_path / "a").parent
    (folder / "libre_orig").write_text("Original\n")
    with pytest.raises(SourceError, match=r"The file libre_orig of libre_\S+ is not") as caught:
        read_source_package(folder)
    assert hashlib.sha256(b"original\n").hexdigest() in caught.value.details
    assert hashlib.sha256(b"Original\n").hexdigest() in caught.value.details


def test_missing_and_superfluous_files_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "a").parent
    (folder / "more").write_text("")
    with pytest.raises(SourceError, match=r"'more' .* is not named by"):
        read_source_package(folder)
    (folder / "more").unlink()
    (folder / "libre_orig").unlink()
    with pytest.raises(SourceError, match=r"libre_orig of .* is missing"):
        read_source_package(folder)
    with pytest.raises(SourceError, match=r"There are 0 \.dsc files"):
        read_source_package(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "no field Source"),
        ("", "no field Source"),
        (DSC.replace("Version: 1:1.1.0-1\n", ""), "no field Version"),
        (DSC.replace("Source: libre", "Source: ../libre"), "not a package name"),
        (DSC.replace("1:1.1.0-1", "one"), "not a version"),
        ("\x00\x01\udcff", "is not a .dsc file"),
    ],
)
def test_what_is_no_dsc_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.dsc"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SourceError, match=message):
        read_dsc(path)


def test_a_signed_one_is_read_like_another(tmp_path: Path) -> None:
    dsc = write(tmp_path / "a")
    text = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" + dsc.read_text()
    text += "-----BEGIN PGP SIGNATURE-----\n\nabcd\n-----END PGP SIGNATURE-----\n"
    dsc.write_text(text)
    assert read_dsc(dsc).name == "libre"


def test_build_dependencies_are_given_as_they_are_written(tmp_path: Path) -> None:
    fields = build_depends(write(tmp_path / "a"))
    assert list(fields) == ["Build-Depends", "Build-Depends-Indep", "Build-Conflicts"]
    assert "zlib1g-dev [linux-any]" in fields["Build-Depends"]


def built(dsc: Path, *profiles: str, architecture: str = "amd64") -> list[str]:
    return [
        one.name
        for one in package_list(dsc)
        if one.is_built(architecture=architecture, profiles=profiles)
    ]


def test_the_package_list_says_what_a_build_gives(tmp_path: Path) -> None:
    dsc = write(tmp_path / "a")
    assert built(dsc) == ["libre0", "libre-dev", "libre-doc", "libre0-udeb"]
    assert built(dsc, "stage1", "nodoc") == ["libre0", "libre0-udeb"]
    assert built(dsc, "cross", "pkg.libre.doc") == [
        "libre0", "libre-dev", "libre-doc", "libre0-udeb",
    ]  # fmt: skip
    assert "libre-arm" in built(dsc, architecture="armhf")
    assert "libre0-udeb" not in built(dsc, architecture="hurd-i386")
    assert package_list(dsc)[3].type == "udeb"


def test_an_old_dsc_has_only_names(tmp_path: Path) -> None:
    text = DSC.partition("Package-List")[0]
    dsc = write(tmp_path / "a", text=text)
    assert package_list(dsc) == (
        DeclaredBinary("libre0", "deb", "unknown", ("any", "all")),
        DeclaredBinary("libre-dev", "deb", "unknown", ("any", "all")),
    )
