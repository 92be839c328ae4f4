"""Floor 1: who needs whom, and which of them comes next.

:class:`Graph` answers for names: order, dependants, closure, longest paths. :class:`ReadyQueue`
hands out tasks as what they need gets finished. Both refuse circles and name their members.
"""

from __future__ import annotations

import difflib
import graphlib
import heapq
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from farm.base.errors import InputError

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Graph(Generic[Name]):
    """Names, and the names that each of them needs.

    A need that is no name of the graph is left out: a graph of the chosen packages says nothing
    about those of the distribution. Ties are broken by the order in which ``needs`` lists its
    names, so whoever wants the same answer every time passes a mapping with a defined order; the
    needs themselves may be sets.

    :param needs: name to the names that it needs.
    :raises InputError: if names need each other in a circle; all its members are named in order.
    """

    needs: Mapping[Name, Iterable[Name]]
    _order: tuple[Name, ...] = field(init=False, repr=False, compare=False)
    _needed_by: Mapping[Name, tuple[Name, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        needs = _known_needs(self.needs)
        circle = find_circle(needs)
        if circle:
            path = " -> ".join(str(name) for name in (*circle, circle[0]))
            raise InputError(
                f"Packages need each other in a circle: {path}.",
                hint="Drop one of these needs, for instance with a build profile.",
            )
        needed_by: dict[Name, list[Name]] = {name: [] for name in needs}
        for name, others in needs.items():
            for other in others:
                needed_by[other].append(name)
        object.__setattr__(self, "needs", needs)
        object.__setattr__(self, "_order", tuple(_sort(needs)))
        object.__setattr__(self, "_needed_by", {key: tuple(of) for key, of in needed_by.items()})

    def order(self) -> tuple[Name, ...]:
        """Give all names, each after what it needs; of those ready, the one listed first."""
        return self._order

    def dependants(self, name: Name) -> tuple[Name, ...]:
        """Give those who need a name, directly or not, in build order and without itself.

        :raises InputError: if the graph does not have the name.
        """
        return self._reach((name,), self._needed_by, skip={name})

    def closure(self, names: Iterable[Name]) -> tuple[Name, ...]:
        """Give all that the names need, directly or not, and themselves, in build order.

        :raises InputError: if the graph does not have one of the names.
        """
        return self._reach(tuple(names), self.needs, skip=set())

    def longest_paths(self, seconds: Mapping[Name, float], *, default: float) -> dict[Name, float]:
        """Give the seconds from the start of each name to the end of the longest chain behind it.

        That is its own duration plus that of the longest chain of dependants: the urgency in list
        scheduling by critical path.

        :param seconds: how long each name takes.
        :param default: how long a name takes that ``seconds`` does not know.
        """
        paths: dict[Name, float] = {}
        for name in reversed(self._order):
            behind = max((paths[other] for other in self._needed_by[name]), default=0.0)
            paths[name] = seconds.get(name, default) + behind
        return paths

    def _reach(
        self,
        start: tuple[Name, ...],
        steps: Mapping[Name, Iterable[Name]],
        *,
        skip: set[Name],
    ) -> tuple[Name, ...]:
        self._check_known(start)
        seen = set(start)
        todo = list(start)
        while todo:
            fresh = [name for name in steps[todo.pop()] if name not in seen]
            seen.update(fresh)
            todo.extend(fresh)
        return tuple(name for name in self._order if name in seen and name not in skip)

    def _check_known(self, names: Iterable[Name]) -> None:
        for name in names:
            if name not in self._needed_by:
                near = difflib.get_close_matches(str(name), [str(known) for known in self._order])
                hint = f"Was {near[0]!r} meant?" if near else ""
                raise InputError(f"{str(name)!r} is not among the packages.", hint=hint)


@dataclass(frozen=True)
class Task:
    """One thing to do, which makes resources and waits for others.

    :param name: how messages call it; two tasks may have the same name.
    :param provides: resources that exist once the task is finished.
    :param needs: resources that the task waits for: until every task that provides one of them is
        finished. One that nobody provides, or the task itself, is no obstacle.
    :param seconds: how long it is expected to take.
    """

    name: str
    provides: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    seconds: float = 0.0


class ReadyQueue:
    """Tasks, by their index, each waiting, ready, taken or finished.

    Of the tasks that are ready, the one with the longest chain behind it comes first, then the one
    listed first. As long as a task is unfinished, one is ready or taken. All of it together takes
    O(n log n) in the number of tasks, provided and needed resources.

    :raises InputError: if tasks need each other in a circle; all its members are named in order.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tuple(tasks)
        self._providers_left = Counter(each for task in tasks for each in task.provides)
        self._waiting: defaultdict[str, list[int]] = defaultdict(list)
        self._needs_left: list[int] = []
        self._unfinished = set(range(len(tasks)))
        self._released: set[int] = set()
        self._ready: list[tuple[float, int]] = []
        self._urgency = _measure_urgency(self._tasks)
        for index, task in enumerate(self._tasks):
            needs = [need for need in task.needs - task.provides if self._providers_left[need]]
            for need in needs:
                self._waiting[need].append(index)
            self._needs_left.append(len(needs))
            if not needs:
                self.put_back(index)

    @property
    def unfinished(self) -> int:
        """How many tasks are waiting, ready or taken."""
        return len(self._unfinished)

    def take(self) -> int | None:
        """Take the most urgent task that is ready; None while there is none."""
        return heapq.heappop(self._ready)[1] if self._ready else None

    def put_back(self, index: int) -> None:
        """Make a task ready that was taken but not begun."""
        heapq.heappush(self._ready, (-self._urgency[index], index))

    def finish(self, index: int) -> None:
        """Mark a taken task as finished, however it ended; others may become ready."""
        self._unfinished.discard(index)
        if index in self._released:
            return
        self._released.add(index)
        for resource in self._tasks[index].provides:
            self._providers_left[resource] -= 1
            if not self._providers_left[resource]:
                self._release(self._waiting[resource])

    def repeat(self, index: int) -> None:
        """Make a finished task ready once more; those that waited for it do not wait again."""
        if index not in self._unfinished:
            self._unfinished.add(index)
            self.put_back(index)

    def _release(self, waiting: Iterable[int]) -> None:
        for index in waiting:
            self._needs_left[index] -= 1
            if not self._needs_left[index]:
                self.put_back(index)


def _measure_urgency(tasks: Sequence[Task]) -> dict[int | str, float]:
    """Give the longest path from each task (its index) and each resource, which takes no time."""
    needs: dict[int | str, list[int | str]] = {
        index: sorted(task.needs - task.provides) for index, task in enumerate(tasks)
    }
    for index, task in enumerate(tasks):
        for resource in sorted(task.provides):
            needs.setdefault(resource, []).append(index)
    circle = [name for name in find_circle(needs) if isinstance(name, int)]
    if circle:
        path = " -> ".join(tasks[index].name for index in (*circle, circle[0]))
        raise InputError(
            f"Items need each other in a circle: {path}.",
            hint="None of them can go first: drop one of these needs.",
        )
    seconds: dict[int | str, float] = {index: task.seconds for index, task in enumerate(tasks)}
    return Graph(needs).longest_paths(seconds, default=0.0)


def find_circle(needs: Mapping[Name, Iterable[Name]]) -> tuple[Name, ...]:
    """Name the members of one circle: each needs the next, the last the first; () if none.

    The first member is the one that the mapping lists first.
    """
    known = _known_needs(needs)
    try:
        graphlib.TopologicalSorter(known).prepare()
    except graphlib.CycleError as error:
        # graphlib lists needs before who needs them, with the first member once more at the end.
        members: list[Name] = list(reversed(error.args[1]))[:-1]
        position = {name: number for number, name in enumerate(known)}
        first = min(range(len(members)), key=lambda number: position[members[number]])
        return tuple(members[first:] + members[:first])
    return ()


def _sort(needs: Mapping[Name, Iterable[Name]]) -> Iterator[Name]:
    names = list(needs)
    position = {name: number for number, name in enumerate(names)}
    sorter = graphlib.TopologicalSorter(needs)
    sorter.prepare()
    ready: list[int] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, position[name])
        first = names[heapq.heappop(ready)]
        yield first
        sorter.done(first)


def _known_needs(needs: Mapping[Name, Iterable[Name]]) -> dict[Name, tuple[Name, ...]]:
    position = {name: number for number, name in enumerate(needs)}
    return {
        name: tuple(
            sorted({other for other in others if other in position}, key=position.__getitem__)
        )
        for name, others in needs.items()
    }
