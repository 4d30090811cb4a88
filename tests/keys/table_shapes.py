"""What a table looks like from outside: the shapes of a model that has all of it."""


def shapes_of(table, tree):
    """Name -> shape of every weight of a model with this table, as it is stored."""
    return {
        f"{name}.{module.parameter}" if module.parameter else name: module.weight
        for name, module in table.modules(tree).items()
    }


def both(table):
    """The places in both trees, to compare tables whatever order they were made in."""
    return {(leaf.diffusers, leaf.native, leaf.shape, leaf.kind) for leaf in table.leaves}
