"""The private apt configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.base.errors import InputError
from farm.model.target import Target
from farm.source.apt_config import (
    pick_settings,
    render_configuration,
    render_sources,
    render_sources_list,
)
from farm.source.mirror import Mirror, Suite

TARGET = Target("bookworm", "arm64")
MIRROR = Mirror(
    (
        Suite("file:/srv/debian", "bookworm", ("main", "contrib")),
        Suite("http://mirror.example/security", "bookworm-security"),
    ),
    keyring=Path("/srv/key.gpg"),
)
HOST = [
    "Acquire::http::Proxy\thttp://proxy.example:3128",
    "Acquire::http::Proxy::inner.example\tDIRECT",
    "Acquire::https::mirror.example::CaInfo\t/etc/ssl/own.pem",
    "Acquire::http::Proxy-Auto-Detect\t/usr/bin/detect",
    "Acquire::Check-Valid-Until\tfalse",
    "Acquire::http::User-Agent\tcurious",
    'Acquire::https::CaPath\t/a"b',
    "Acquire::AllowInsecureRepositories\t1",
    "APT::Get::AllowUnauthenticated\t1",
    "DPkg::Post-Invoke::\trm -rf /",
    "Dir::Etc\tetc/apt/",
]


def test_only_the_way_through_to_archives_is_taken_from_the_host() -> None:
    assert [name for name, _ in pick_settings(HOST, of_host=False)] == [
        "Acquire::http::Proxy",
        "Acquire::http::Proxy::inner.example",
        "Acquire::https::mirror.example::CaInfo",
        "Acquire::http::Proxy-Auto-Detect",
    ]


def test_with_the_hosts_archive_comes_how_old_it_may_be() -> None:
    assert ("Acquire::Check-Valid-Until", "false") in list(pick_settings(HOST, of_host=True))


def test_the_configuration_points_nowhere_but_into_its_folder() -> None:
    text = render_configuration(Path("/s t/x"), target=TARGET, settings=[("Acquire::A", "b")])
    values = dict(line.removesuffix('";').split(' "') for line in text.splitlines())
    paths = {name: value for name, value in values.items() if name.startswith("Dir::")}
    assert all(value == "/dev/null" or value.startswith("/s t/x") for value in paths.values())
    assert {"Dir::Etc::parts", "Dir::State::lists", "Dir::State::status", "Dir::Cache"} <= {*paths}
    assert values["APT::Architecture"] == "arm64"
    assert values["APT::Update::Error-Mode"] == "any"
    assert values["Acquire::A"] == "b"


@pytest.mark.parametrize("bad", ['/a"; Dir "/', "/a\nb"])
def test_a_folder_whose_name_breaks_the_syntax_is_refused(bad: str) -> None:
    with pytest.raises(InputError, match="apt cannot work in the folder"):
        render_configuration(Path(bad), target=TARGET)


def test_private_sources_hold_sources_too_and_copy_files() -> None:
    assert render_sources(MIRROR) == (
        "Types: deb deb-src\n"
        "URIs: copy:/srv/debian\n"
        "Suites: bookworm\n"
        "Components: main contrib\n"
        "Signed-By: /srv/key.gpg\n"
        "\n"
        "Types: deb deb-src\n"
        "URIs: http://mirror.example/security\n"
        "Suites: bookworm-security\n"
        "Components: main\n"
        "Signed-By: /srv/key.gpg\n"
    )


def test_a_chroot_gets_binary_packages_only() -> None:
    assert render_sources_list(MIRROR) == (
        "deb [signed-by=/srv/key.gpg] file:/srv/debian bookworm main contrib\n"
        "deb [signed-by=/srv/key.gpg] http://mirror.example/security bookworm-security main\n"
    )
    assert "[signed-by=/inside.gpg]" in render_sources_list(MIRROR, keyring=Path("/inside.gpg"))
