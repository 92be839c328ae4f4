"""What must hold of a candidate before a repository may become it."""

import pytest

pytestmark = pytest.mark.farm_gate("repository")


def test_signatures(released_target):
    released_target.check_signatures()


def test_contents(released_target):
    released_target.check_contents()


def test_installable(released):
    released.check_installable()


def test_dependencies(released):
    released.check_dependencies()


def test_versions(released):
    released.check_versions()


def test_lint(released):
    released.check_lint()


def test_howto(released):
    released.check_howto()
