"""Floor 5: what decides how the farm's checks end beside what they look at: code and policies."""

from __future__ import annotations

from farm.base.files import digest_of, sha256_of
from farm.config.settings import Workspace
from farm.release.gates import INSTALL, LIFECYCLE, UPGRADE, own_checks
from farm.release.order import farm_version
from farm.release.wishes import machine_identity


def check_inputs(workspace: Workspace, *, former: str = "") -> dict[str, str]:
    """Give, by gate and check, the digests of the code and policies that decide about it.

    A verdict found with others does not count: see :attr:`farm.release.gates.Plan.inputs`.

    :param former: the digest of what is upgraded, or nothing for a first release.
    """
    root = workspace.root
    levels = {each.name: each.lintian for each in workspace.packages.values()}
    policies: dict[str, list[object]] = {
        f"{LIFECYCLE}/upgrade": [former],
        "repository/dependencies": [workspace.policy.dependencies],
        "repository/lint": [workspace.policy.lintian, levels],
    }
    machine = machine_identity(workspace)
    for name in own_checks():
        gate = name.partition("/")[0]
        if gate in (INSTALL, UPGRADE):
            policies[name] = [machine, former if gate == UPGRADE else ""]
    files = [root / "conftest.py", *sorted((root / "release_tests").rglob("*.py"))]
    code = [[str(path.relative_to(root)), sha256_of(path)] for path in files if path.is_file()]
    return {
        name: digest_of([name, code, farm_version(), policies.get(name, [])])[:32]
        for name in own_checks()
    }
