"""A class is passed over by the beginning of a name only where none of its names begins so."""

import pytest
from loradex.compat.families import FAMILIES
from loradex.keys.derive import DERIVATIONS


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.key)
def test_every_name_of_a_table_begins_with_one_of_its_class_openings(family):
    for part in family.parts:
        openings = DERIVATIONS[part.class_name].openings
        names = [
            name.replace(".", "_")
            for name, _ in family.architectures()[part.component].names() if name
        ]
        assert [name for name in names if not name.startswith(openings)] == []
