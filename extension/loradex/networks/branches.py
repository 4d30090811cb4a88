"""All layers of a model that have networks computed beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from loradex.networks.branch import Branch
from loradex.networks.model import Place
from loradex.networks.recipe import Recipe, Step


class Branches:
    """Hooked layers by place; what is not asked for any more is unhooked."""

    def __init__(self) -> None:
        self._held: dict[Place, Branch] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    @property
    def nbytes(self) -> int:
        """Bytes of the factors that lie ready on the model's devices."""
        return sum(branch.nbytes for branch in self._held.values())

    def put(self, wanted: Mapping[Place, Sequence[Recipe | None]]) -> list[Step]:
        """Exactly these layers, each with one recipe or one per image; the steps that are new."""
        for place in self._held.keys() - wanted.keys():
            self._held.pop(place).restore()
        redone: list[Step] = []
        for place, recipes in wanted.items():
            branch = self._held.get(place)
            if branch is None:
                branch = self._held[place] = Branch(place)
            if branch.show(recipes):
                redone += [step for one in recipes if one is not None for step in one.steps]
        return redone

    def restore(self) -> int:
        """The layers alone again; how many they were."""
        count = len(self._held)
        for branch in self._held.values():
            branch.restore()
        self._held.clear()
        return count

    def reconcile(self) -> Counter[str]:
        """Lets go of layers that the model no longer has, counted by component."""
        lost: Counter[str] = Counter()
        for place, branch in list(self._held.items()):
            if not branch.in_place:
                self._held.pop(place).restore()
                lost[place.component] += 1
        return lost
