"""Releases after a change: what is built anew, and what says why."""

from __future__ import annotations

from tests.integration.release_workspace import TARGET, DemoWorkspace


def test_a_change_in_a_leaf_rebuilds_exactly_that(released_demo: DemoWorkspace) -> None:
    builds, keys = released_demo.builds(), released_demo.keys()
    released_demo.set_version("demo-clock", "1.1")
    why = released_demo.farm("why", "demo-clock").expect()
    assert "its source changed (1.0 -> 1.1)" in why.output
    ran = released_demo.release().expect()
    after = released_demo.keys()
    assert {name for name in keys if keys[name] != after[name]} == {"demo-clock"}
    assert released_demo.builds() - builds == {after["demo-clock"]}
    built = [name for name, item in ran.items.items()
             if name.startswith("test_build") and not item.is_recorded]  # fmt: skip
    assert built == [f"test_build[demo-clock@{TARGET}]"]
    assert released_demo.held()["demo-clock"] == "1.1"
    assert "Nothing to do" not in ran.output
    assert "its source changed" not in released_demo.farm("why", "demo-clock").expect().output


def test_a_change_rebuilds_what_is_built_with_it(released_demo: DemoWorkspace) -> None:
    builds, keys = released_demo.builds(), released_demo.keys()
    released_demo.set_version("demo-words", "1.1")
    why = released_demo.farm("why", "demo-speaker").expect()
    assert f"demo-words@{TARGET}" in why.output
    released_demo.release().expect()
    after = released_demo.keys()
    changed = {name for name in keys if keys[name] != after[name]}
    assert changed == {"demo-words", "demo-speaker"}
    assert released_demo.builds() - builds == {after[name] for name in changed}
    assert released_demo.held()["demo-words"] == "1.1"
    assert released_demo.held()["demo-speaker"] == "1.0"


def test_a_package_that_is_no_longer_listed_leaves_the_repository(
    released_demo: DemoWorkspace,
) -> None:
    released_demo.edit("farm.toml", '[package.demo-clock]\nfolder = "packages/demo-clock"\n', "")
    released_demo.release().expect()
    assert "demo-clock" not in released_demo.held()


def test_a_changed_howto_is_tried_again_and_nothing_else(released_demo: DemoWorkspace) -> None:
    released_demo.edit("howtos/demo-clock.md", "what time", "how late")
    ran = released_demo.release().expect()
    tried = [name for name, item in ran.items.items() if not item.is_recorded]
    assert sorted(tried) == [f"howtos.demo-clock.md::howto[{TARGET}]", "test_publish[rc]"]
