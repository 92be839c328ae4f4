"""Floor 3: the store of finished builds, by key. What is in it never changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from farm.base.errors import FarmFault, InputError
from farm.base.files import read_json, settle, write_json
from farm.build.collect import Product
from farm.model.artifact import BinaryPackage, Build, SourcePackage, StoredFile
from farm.model.layout import Layout
from farm.model.target import Target


class BuildStore:
    """Finds and keeps builds."""

    def __init__(self, layout: Layout) -> None:
        self._root = layout.builds

    def folder(self, key: str) -> Path:
        """Where the build of a key is, or would be."""
        return self._root / key

    def find(self, key: str, *, package: str, source: SourcePackage) -> Build | None:
        """Give the build of a key, if there is one.

        :raises FarmFault: when its record is damaged.
        """
        folder = self.folder(key)
        record = _read(folder)
        if record is None:
            return None
        try:
            return _load(folder, record, package=package, source=source)
        except (InputError, KeyError, TypeError, ValueError) as error:
            raise _damaged(folder, error) from error

    def inputs(self, key: str) -> dict[str, Any] | None:
        """Give what went into the build of a key, if there is one.

        :raises FarmFault: when its record is damaged.
        """
        folder = self.folder(key)
        record = _read(folder)
        if record is None:
            return None
        try:
            return dict(record["inputs"])
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(folder, error) from error

    def keep(
        self, made: Path, *, key: str, target: Target, product: Product, seconds: float,
        inputs: dict[str, Any],
    ) -> None:  # fmt: skip
        """Rename a folder with a good build into the store, its record written first.

        Where the build is kept already, that one stays, and the folder is thrown away.
        """
        record = {
            "key": key, "target": str(target), "seconds": round(seconds, 3), "inputs": inputs,
            "changes": _describe(product.changes), "buildinfo": _describe(product.buildinfo),
            "binaries": [
                {"name": each.name, "version": each.version, "architecture": each.architecture,
                 "file": _describe(each.file), "fields": [list(pair) for pair in each.fields]}
                for each in product.binaries
            ],
        }  # fmt: skip
        write_json(made / "build.json", record)
        made.chmod(0o755)
        settle(made, self.folder(key))


def _read(folder: Path) -> Any:
    path = folder / "build.json"
    return read_json(path) if path.exists() else None


def _damaged(folder: Path, error: Exception) -> FarmFault:
    return FarmFault(
        f"{folder / 'build.json'} is not a record of a build that the farm can read.",
        details=repr(error), hint=f"Remove {folder}: the farm builds it again.",
    )  # fmt: skip


def _describe(file: StoredFile) -> dict[str, Any]:
    return {"name": file.name, "sha256": file.sha256, "size": file.size}


def _load(folder: Path, record: dict[str, Any], *, package: str, source: SourcePackage) -> Build:
    def stored(each: dict[str, Any]) -> StoredFile:
        return StoredFile(each["name"], each["sha256"], each["size"], folder / each["name"])

    binaries = tuple(
        BinaryPackage(
            each["name"], each["version"], each["architecture"], stored(each["file"]),
            tuple((name, value) for name, value in each["fields"]),
        )
        for each in record["binaries"]
    )  # fmt: skip
    return Build(
        package=package, target=Target.parse(record["target"]), key=record["key"], source=source,
        binaries=binaries, changes=stored(record["changes"]),
        buildinfo=stored(record["buildinfo"]), log=folder / "log", seconds=record["seconds"],
    )  # fmt: skip
