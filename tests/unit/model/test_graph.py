"""Who needs whom, and which of them comes next."""

from __future__ import annotations

import random

import pytest

from farm.base.errors import InputError
from farm.model.graph import Graph, ReadyQueue, Task, find_circle

# The sample of the README: libre <- librem, and a metapackage that needs all.
IPBX = {
    "ipbx": {"librem", "libpri", "sipsak"},
    "librem": {"libre", "debhelper"},
    "libre": set[str](),
    "libpri": set[str](),
    "sipsak": set[str](),
}


def test_everything_comes_after_what_it_needs() -> None:
    order = Graph(IPBX).order()
    assert sorted(order) == sorted(IPBX)
    assert order.index("libre") < order.index("librem") < order.index("ipbx")
    assert order[-1] == "ipbx"


def test_order_depends_on_the_order_of_the_names_only() -> None:
    shuffled = {name: sorted(needs, reverse=True) for name, needs in IPBX.items()}
    assert Graph(IPBX).order() == Graph(shuffled).order()
    assert Graph(IPBX).order() == ("libre", "librem", "libpri", "sipsak", "ipbx")


def test_unknown_needs_are_left_out() -> None:
    graph = Graph(IPBX)
    assert "debhelper" not in graph.order()
    assert graph.closure(["librem"]) == ("libre", "librem")


def test_dependants_are_transitive_and_without_the_name_itself() -> None:
    graph = Graph(IPBX)
    assert graph.dependants("libre") == ("librem", "ipbx")
    assert graph.dependants("ipbx") == ()


def test_closure_has_all_that_is_needed_and_the_names_themselves() -> None:
    graph = Graph(IPBX)
    assert graph.closure(["sipsak", "librem"]) == ("libre", "librem", "sipsak")
    assert graph.closure([]) == ()


@pytest.mark.parametrize("ask", ["dependants", "closure"])
def test_unknown_name_is_refused_with_the_nearest(ask: str) -> None:
    graph = Graph(IPBX)
    with pytest.raises(InputError) as caught:
        graph.dependants("librm") if ask == "dependants" else graph.closure(["librm"])
    assert caught.value.brief == "'librm' is not among the packages."
    assert caught.value.hint == "Was 'librem' meant?"


def test_longest_path_is_own_duration_and_the_longest_chain_behind() -> None:
    seconds = {"libre": 10.0, "librem": 5.0, "sipsak": 12.0, "ipbx": 1.0}
    paths = Graph(IPBX).longest_paths(seconds, default=100.0)
    assert paths == {"ipbx": 1.0, "librem": 6.0, "libre": 16.0, "sipsak": 13.0, "libpri": 101.0}


@pytest.mark.parametrize(
    ("needs", "path"),
    [
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, "a -> b -> c -> a"),
        ({"a": ["a"]}, "a -> a"),
        ({"top": ["x"], "y": ["x"], "x": ["z"], "z": ["y"], "leaf": []}, "y -> x -> z -> y"),
    ],
)
def test_circle_names_all_its_members_in_order(needs: dict[str, list[str]], path: str) -> None:
    with pytest.raises(InputError) as caught:
        Graph(needs)
    assert caught.value.brief == f"Packages need each other in a circle: {path}."
    assert caught.value.hint


def test_no_circle_is_found_where_none_is() -> None:
    assert find_circle(IPBX) == ()
    assert find_circle({"a": ["b"], "b": ["a"]}) == ("a", "b")


def test_graph_does_not_change_with_the_mapping_it_was_made_from() -> None:
    needs = {"a": ["b"], "b": []}
    graph = Graph(needs)
    needs["b"].append("a")
    assert graph.closure(["b"]) == ("b",)


def test_long_chains_need_no_recursion() -> None:
    needs = {number: [number - 1] for number in range(20_000)}
    graph = Graph(needs)
    assert graph.longest_paths({}, default=1.0)[0] == 20_000
    assert len(graph.dependants(0)) == 19_999


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs_are_ordered_and_reached_consistently(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable graph, no secret
    names = [f"p{number}" for number in range(40)]
    needs = {
        name: set(chance.sample(names[:number], min(number, chance.randrange(4))))
        for number, name in enumerate(names)
    }
    listed = chance.sample(names, len(names))
    graph = Graph({name: needs[name] for name in listed})
    place = {name: number for number, name in enumerate(graph.order())}
    assert all(place[need] < place[name] for name in names for need in needs[name])
    for name in names:
        for dependant in graph.dependants(name):
            assert name in graph.closure([dependant])


def test_repeated_task_does_not_count_twice_for_those_that_wait() -> None:
    queue = ReadyQueue(
        [
            Task("one", provides=frozenset({"x"})),
            Task("two", provides=frozenset({"x"})),
            Task("user", needs=frozenset({"x"})),
        ]
    )
    assert (queue.take(), queue.take(), queue.take()) == (0, 1, None)
    queue.finish(0)
    queue.repeat(0)
    assert queue.take() == 0
    queue.finish(0)
    assert queue.take() is None
    queue.finish(1)
    assert queue.take() == 2
    assert queue.unfinished == 1


def test_task_put_back_is_ready_again() -> None:
    queue = ReadyQueue([Task("only")])
    assert queue.take() == 0
    queue.put_back(0)
    assert queue.take() == 0


def test_tasks_that_wait_for_each_other_are_named() -> None:
    with pytest.raises(InputError, match=r"^Items need each other in a circle: a -> b -> a\."):
        ReadyQueue(
            [
                Task("a", provides=frozenset({"x"}), needs=frozenset({"y"})),
                Task("b", provides=frozenset({"y"}), needs=frozenset({"x"})),
            ]
        )
