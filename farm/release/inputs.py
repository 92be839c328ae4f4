"""Floor 5: what decides how the farm's checks end beside what they look at: code and policies."""

from __future__ import annotations

from farm.base.files import digest_of, sha256_of
from farm.config.settings import Workspace
from farm.release.gates import own_checks
from farm.release.order import farm_version


def check_inputs(workspace: Workspace) -> dict[str, str]:
    """Give, by gate and check, the digests of the code and policies that decide about it.

    A verdict found with others does not count: see :attr:`farm.release.gates.Plan.inputs`.
    """
    root = workspace.root
    levels = {each.name: each.lintian for each in workspace.packages.values()}
    policies = {
        "repository/dependencies": [workspace.policy.dependencies],
        "repository/lint": [workspace.policy.lintian, levels],
    }
    files = [root / "conftest.py", *sorted((root / "release_tests").rglob("*.py"))]
    code = [[str(path.relative_to(root)), sha256_of(path)] for path in files if path.is_file()]
    return {
        name: digest_of([name, code, farm_version(), policies.get(name, [])])[:32]
        for name in own_checks()
    }
