"""A workspace whose packages have faults, and what may not be left of its machines."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import timedelta

from farm.base.files import digest_of
from farm.machine.hypervisor import Hypervisor
from farm.machine.running import Box, boxes, kept
from tests.faults.faulty_packages import CONTROL, PACKAGES, RULES, WEB
from tests.integration.demo_packages import CHANGELOG, PYTEST_INI
from tests.integration.release_runs import Ran, pytest_in, wait_until
from tests.integration.release_workspace import NOTHING, ROOT, TARGET, DemoWorkspace

TOML = f"""\
[workspace]
name = "faulty"
refresh = "1 day"

[target.{TARGET}]

[policy]
lintian = "off"

[repository.rc]
gates = ["build", "install"]
"""
MACHINE = f"machine@{TARGET}"
INSTALLS = "release_tests/test_install.py::test_installs"
_INSTALLATION = timedelta(minutes=20)


class FaultyWorkspace(DemoWorkspace):
    """The workspace. One candidate holds every package; a machine says which it installs."""

    def write(self) -> FaultyWorkspace:
        """Write all files."""
        self.root.mkdir(parents=True)
        for name in PACKAGES:
            self.write_package(name)
        self.want()
        shutil.copytree(ROOT / "release_tests", self.root / "release_tests",
                        ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
        shutil.copy(ROOT / "conftest.py", self.root)
        self.put("pytest.ini", PYTEST_INI)
        (self.root / "howtos").mkdir()
        return self

    def write_package(self, name: str, version: str = "1.0", **_: str) -> None:
        """Write the packaging of one of the packages."""
        folder, faulty = f"packages/{name}", PACKAGES[name]
        changelog = CHANGELOG.format(name=name, version=version)
        self.put(f"{folder}/debian/changelog", changelog)
        self.put(f"{folder}/debian/control", CONTROL.format(name=name))
        self.put(f"{folder}/debian/rules", RULES.format(name=name))
        self.put(f"{folder}/debian/source/format", "3.0 (native)\n")
        self.put(f"{folder}/tree/usr/share/doc/{name}/changelog", changelog)
        for path, text in faulty.files.items():
            self.put(f"{folder}/tree/{path}", text)
        for path, text in faulty.scripts.items():
            self.put(f"{folder}/scripts/{path}", text)
        programs = [f"tree/{path}" for path in faulty.files if not path.startswith("usr/lib/sys")]
        scripts = [f"scripts/{path}" for path in faulty.scripts if path != "templates"]
        for path in ("debian/rules", *programs, *scripts):
            (self.root / folder / path).chmod(0o755)

    def want(self, *packages: str, more: str = "") -> None:
        """Write farm.toml: which packages a machine installs, and what else it shall be.

        :param more: lines of the table ``[machine]``, or further tables.
        """
        names = ", ".join(f'"{name}"' for name in packages or (WEB,))
        tables = "".join(f'\n[package.{name}]\nfolder = "packages/{name}"\n' for name in PACKAGES)
        machine = f'\n[machine]\npackages = [{names}]\ndisk = "3 GiB"\n{more}'
        self.put("farm.toml", f"{TOML}{tables}{machine}")

    def install(self, *words: str, env: Mapping[str, str] = NOTHING) -> Ran:
        """Release with the checks of machines, or some of them; emulated, that takes minutes."""
        chosen = words or ("release_tests/test_install.py",)
        return pytest_in(self.root, ["--release", "rc", *chosen], workers=2, env=env,
                         timeout=_INSTALLATION)  # fmt: skip

    # What became of its machines.

    @property
    def domains(self) -> list[str]:
        """The machines that run here, whoever has started them."""
        return Hypervisor().names(f"farm-{digest_of(str(self.layout.root))[:6]}-")

    def kept(self) -> list[Box]:
        """The machines that are kept for somebody to look at."""
        return kept(self.layout.machines)

    def check_nothing_is_left(self) -> None:
        """See that there is no domain, no process and no folder of a machine."""
        assert self.domains == []
        wait_until(lambda: not self.processes(), what="the end of all processes", seconds=30,
                   told=lambda: str(self.processes()))  # fmt: skip
        assert list(boxes(self.layout.machines)) == []
        folder = self.layout.machines
        assert [path.name for path in folder.glob("*")] == []
        assert self.leftovers() == []
