"""
Finds where the order of a set would be seen: it changes with the hash seed of the process (L12).

What is a set is told from the source alone: its literal, its annotation, an operation on another one. It may be asked
for what it holds, compared, and sorted; nothing else.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.architecture.source import dotted

TYPES = ("set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet")
KEEP_SETS = ("union", "intersection", "difference", "symmetric_difference", "copy")
VIEWS = ("keys", "items")
BLIND = ("sorted", "set", "frozenset", "any", "all", "len", "min", "max", "bool")
"""Callers that give the same for every order; `min` and `max` only without a key, by which two may be equal."""

SEEING = ("list", "tuple", "iter", "next", "enumerate", "zip", "map", "filter", "sum", "str", "repr", "print", "reduce")
SEEING_METHODS = ("join", "fromkeys", "extend", "pop", "chain")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(slots=True)
class SetNames:
    """What is known to be a set: attributes and functions of the whole program, names of the present function."""

    attributes: frozenset[str]
    functions: frozenset[str]
    names: set[str] = field(default_factory=set)

    def holds(self, node: ast.expr) -> bool:
        """Tell whether an expression is a set."""
        if isinstance(node, ast.Set | ast.SetComp):
            return True
        if isinstance(node, ast.Name):
            return node.id in self.names
        if isinstance(node, ast.Attribute):
            return node.attr in self.attributes
        if isinstance(node, ast.Call):
            return self._is_call_of_set(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
            return any(self.holds(side) or _is_view(side) for side in (node.left, node.right))
        if isinstance(node, ast.IfExp):
            return self.holds(node.body) or self.holds(node.orelse)
        if isinstance(node, ast.BoolOp):
            return any(map(self.holds, node.values))
        return isinstance(node, ast.NamedExpr) and self.holds(node.value)

    def _is_call_of_set(self, node: ast.Call) -> bool:
        name = dotted(node.func)
        if name in ("set", "frozenset") or name.rpartition(".")[2] in self.functions:
            return True
        return isinstance(node.func, ast.Attribute) and node.func.attr in KEEP_SETS and self.holds(node.func.value)


def known_sets(trees: Sequence[ast.Module]) -> SetNames:
    """Return what annotations of the whole program say is a set: attributes, and what functions return."""
    attributes, functions = set(), set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.ClassDef):
            attributes |= {
                item.target.id
                for item in node.body
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and is_type(item.annotation)
            }
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute) and is_type(node.annotation):
            attributes.add(node.target.attr)
        elif isinstance(node, Function) and node.returns is not None and is_type(node.returns):
            functions.add(node.name)
    known = SetNames(frozenset(attributes), frozenset(functions))
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Assign) and known.holds(node.value):
            attributes |= {target.attr for target in node.targets if isinstance(target, ast.Attribute)}
    return SetNames(frozenset(attributes), frozenset(functions))


def is_type(annotation: ast.expr) -> bool:
    """Tell whether an annotation is that of a set, perhaps beside None."""
    if isinstance(annotation, ast.BinOp):
        return is_type(annotation.left) or is_type(annotation.right)
    head = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return dotted(head).rpartition(".")[2] in TYPES


def seen_orders(tree: ast.Module, known: SetNames) -> Iterator[ast.AST]:
    """Yield every node of a module that would see the order of a set."""
    module_names = _names_of(tree, SetNames(known.attributes, known.functions))
    yield from _seen_in(tree, SetNames(known.attributes, known.functions, module_names))
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.Lambda):
            scope = SetNames(known.attributes, known.functions, set(module_names))
            scope.names |= _names_of(node, scope)
            yield from _seen_in(node, scope)


def _names_of(scope: ast.AST, known: SetNames) -> set[str]:
    """Return the names that a function, or a module at its top, uses for sets."""
    if isinstance(scope, Function | ast.Lambda):
        arguments = [*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs]
        known.names |= {item.arg for item in arguments if item.annotation is not None and is_type(item.annotation)}
    for node in _own_nodes(scope):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and is_type(node.annotation):
            known.names.add(node.target.id)
        elif isinstance(node, ast.Assign) and known.holds(node.value):
            known.names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.NamedExpr) and known.holds(node.value):
            known.names.add(node.target.id)
    return known.names


def _seen_in(scope: ast.AST, known: SetNames) -> Iterator[ast.AST]:
    blind = [id(item) for node in _own_nodes(scope) for item in _blind_comprehensions(node)]
    for node in _own_nodes(scope):
        if isinstance(node, ast.For | ast.AsyncFor) and known.holds(node.iter):
            yield node
        elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp) and id(node) not in blind:
            yield from (loop.iter for loop in node.generators if known.holds(loop.iter))
        elif (
            (isinstance(node, ast.Call) and _sees(node) and any(map(known.holds, _things(node))))
            or (isinstance(node, ast.Starred | ast.FormattedValue) and known.holds(node.value))
            or (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and known.holds(node.value))
        ):
            yield node


def _sees(call: ast.Call) -> bool:
    name = dotted(call.func)
    if name in ("min", "max") and any(keyword.arg == "key" for keyword in call.keywords):
        return True
    return name in SEEING or (isinstance(call.func, ast.Attribute) and call.func.attr in SEEING_METHODS)


def _things(call: ast.Call) -> list[ast.expr]:
    owner = [call.func.value] if isinstance(call.func, ast.Attribute) and call.func.attr == "pop" else []
    return [*owner, *call.args]


def _blind_comprehensions(node: ast.AST) -> list[ast.expr]:
    """Return the comprehensions that a call takes apart without seeing their order."""
    if isinstance(node, ast.Call) and dotted(node.func) in BLIND and not _sees(node):
        return node.args
    return []


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a scope without those of the functions in it."""
    pending = list(ast.iter_child_nodes(scope))
    while pending:
        node = pending.pop(0)
        if isinstance(node, Function | ast.Lambda):
            continue
        yield node
        pending[:0] = list(ast.iter_child_nodes(node))


def _is_view(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in VIEWS
