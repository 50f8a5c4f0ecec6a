"""What a document may ask for, judged before anything runs.

A document is parsed, validated and priced once and kept by its text. Its shape is judged first, since some
of the validation rules take time with the square of what they look at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_list_type,
    is_non_null_type,
    parse,
    specified_rules,
    validate,
)
from graphql.type import GraphQLField

from service.core.paging import MAX_PAGE
from service.core.settings import Settings

KEPT = 256
KEPT_UP_TO = 20_000
MOST_OPERATIONS = 10
MOST_INTROSPECTIONS = 3
INTROSPECTION_COST = 100
INTROSPECTIONS = ("__schema", "__type")
READ_COST = 5
USUAL_PAGE = 50
SIZES = {"timers": 3, "links": 5}
OTHER_SIZE = 10
MUTATION_COST = 20


@dataclass(frozen=True, slots=True)
class Size:
    """How many rows a field gives: a number, or what a variable says (`otherwise` when it is not sent)."""

    variable: str | None
    otherwise: int

    def of(self, variables: Mapping[str, Any]) -> int:
        value = variables.get(self.variable) if self.variable is not None else None
        if isinstance(value, list):
            return len(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return max(1, min(value, MAX_PAGE))
        return self.otherwise


@dataclass(slots=True)
class Cost:
    """Points: `fixed`, and those of lists whose length the variables decide."""

    fixed: int = 0
    lists: list[tuple[Size, Cost]] = field(default_factory=list)

    def of(self, variables: Mapping[str, Any]) -> int:
        return self.fixed + sum(size.of(variables) * cost.of(variables) for size, cost in self.lists)

    def add(self, other: Cost, size: Size) -> None:
        if size.variable is not None:
            self.lists.append((size, other))
            return
        self.fixed += size.otherwise * other.fixed
        for inner, cost in other.lists:
            repeated = Cost()
            repeated.lists = [(inner, cost)]
            if size.otherwise == 1:
                self.lists.append((inner, cost))
            else:
                self.lists.append((Size(None, size.otherwise), repeated))


ONE = Size(None, 1)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document, ready to run, or why it is refused."""

    document: DocumentNode | None = None
    errors: tuple[GraphQLError, ...] = ()
    operations: Mapping[str | None, tuple[OperationType, Cost]] = field(default_factory=dict)
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Looked:
    """A request against the limits: `errors` refuse it, else `kind` of the operation and its `cost`."""

    prepared: Prepared
    errors: tuple[GraphQLError, ...] = ()
    kind: OperationType | None = None
    cost: int = 0


class Refused(Exception):
    """The document is refused, with a stable code."""

    def __init__(self, code: str, message: str, node: Any = None) -> None:
        super().__init__(message)
        self.error = GraphQLError(message, node, extensions={"code": code})


class Limits:
    """The limits of this desk, and the documents it has seen lately."""

    def __init__(self, schema: GraphQLSchema, settings: Settings) -> None:
        self._schema = schema
        self._settings = settings
        self._kept = lru_cache(maxsize=KEPT)(self._prepared)

    @property
    def most(self) -> int:
        return self._settings.max_query_cost

    def look(self, text: str, variables: Mapping[str, Any] | None, operation: str | None) -> Looked:
        prepared = self._kept(text) if len(text) <= KEPT_UP_TO else self._prepared(text)
        if prepared.errors:
            return Looked(prepared, prepared.errors)
        chosen = _chosen(prepared, operation)
        if isinstance(chosen, GraphQLError):
            return Looked(prepared, (chosen,))
        kind, costs = chosen
        cost = costs.of(variables or {})
        if cost > self.most:
            return Looked(prepared, (_too_costly(cost, self.most),), kind, cost)
        return Looked(prepared, (), kind, cost)

    def _prepared(self, text: str) -> Prepared:
        try:
            document = self._parsed(text)
            shape = _Shape(document)
            self._judge(shape)
            errors = validate(self._schema, document, specified_rules, max_errors=20)
        except Refused as refused:
            return Prepared(errors=(refused.error,))
        except RecursionError:
            return Prepared(errors=(Refused("too_deep", "The document is nested too deeply.").error,))
        if errors:
            return Prepared(errors=tuple(errors))
        prices = _Prices(self._schema, shape)
        operations = {
            (each.name.value if each.name else None): (each.operation, prices.of(each))
            for each in shape.operations
        }
        return Prepared(document, (), operations, frozenset(shape.names))

    def _parsed(self, text: str) -> DocumentNode:
        try:
            return parse(text, max_tokens=self._settings.max_query_tokens)
        except GraphQLError as error:
            code = _code(error.message)
            refused = Refused(code, error.message)
            refused.error = GraphQLError(
                error.message, None, error.source, error.positions, extensions={"code": code}
            )
            raise refused from None

    def _judge(self, shape: _Shape) -> None:
        depth, aliases = self._settings.max_query_depth, self._settings.max_aliases
        if len(shape.operations) > MOST_OPERATIONS:
            raise Refused("too_many_operations", f"A document has at most {MOST_OPERATIONS} operations.")
        if shape.aliases > aliases:
            raise Refused(
                "too_many_aliases",
                f"A document has at most {aliases} aliases and repeated fields, not {shape.aliases}.",
            )
        if shape.introspections > MOST_INTROSPECTIONS:
            raise Refused("too_costly", f"A document introspects at most {MOST_INTROSPECTIONS} times.")
        if (found := shape.depth()) > depth:
            raise Refused("too_deep", f"A query is at most {depth} levels deep; this one is {found}.")


def _code(message: str) -> str:
    if "Parsing aborted" not in message:
        return "bad_query"
    return "too_long" if "tokens" in message else "too_deep"


def _too_costly(cost: int, most: int) -> GraphQLError:
    return GraphQLError(
        f"This query costs {cost:,} points and at most {most:,} are allowed. Ask for fewer rows or fields.",
        extensions={"code": "too_costly", "cost": cost, "limit": most},
    )


def _chosen(prepared: Prepared, name: str | None) -> tuple[OperationType, Cost] | GraphQLError:
    operations = prepared.operations
    if name is not None:
        return operations.get(name) or _no_operation(f"There is no operation “{name}” in the document.")
    if len(operations) != 1:
        return _no_operation("The document has several operations. Say which one in `operationName`.")
    return next(iter(operations.values()))


def _no_operation(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": "unknown_operation"})


class _Shape:
    """What can be counted without the schema."""

    def __init__(self, document: DocumentNode) -> None:
        self.operations: list[OperationDefinitionNode] = []
        self.fragments: dict[str, FragmentDefinitionNode] = {}
        self.names: set[str] = set()
        self.aliases = self.introspections = 0
        for definition in document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                self.operations.append(definition)
            elif isinstance(definition, FragmentDefinitionNode):
                self.fragments[definition.name.value] = definition
            else:
                raise Refused("bad_query", "A document holds operations and fragments only.", definition)
        if not self.operations:
            raise Refused("unknown_operation", "The document has no operation.")
        for each in (*self.operations, *self.fragments.values()):
            self._count(each.selection_set)
        self._depths: dict[str, int] = {}

    def _count(self, start: SelectionSetNode) -> None:
        waiting = [start]
        while waiting:
            fields: Counter[str] = Counter()
            for selection in _flat(waiting.pop(), waiting):
                name = selection.name.value
                self.names.add(name)
                self.introspections += name in INTROSPECTIONS
                self.aliases += selection.alias is not None
                fields[selection.alias.value if selection.alias else name] += 1
                if selection.selection_set is not None:
                    waiting.append(selection.selection_set)
            self.aliases += sum(times - 1 for times in fields.values())

    def depth(self) -> int:
        return max(self._deep(each.selection_set, ()) for each in self.operations)

    def _deep(self, node: SelectionSetNode, inside: tuple[str, ...]) -> int:
        deepest = 0
        for selection in node.selections:
            if isinstance(selection, FragmentSpreadNode):
                deepest = max(deepest, self._deep_fragment(selection, inside))
            elif isinstance(selection, InlineFragmentNode):
                deepest = max(deepest, self._deep(selection.selection_set, inside))
            elif isinstance(selection, FieldNode) and selection.name.value not in INTROSPECTIONS:
                below = self._deep(selection.selection_set, inside) if selection.selection_set else 0
                deepest = max(deepest, 1 + below)
        return deepest

    def _deep_fragment(self, spread: FragmentSpreadNode, inside: tuple[str, ...]) -> int:
        name = spread.name.value
        if name in inside:
            raise Refused("bad_query", f"The fragment “{name}” contains itself.", spread)
        if name not in self._depths:
            fragment = self.fragments.get(name)
            depth = self._deep(fragment.selection_set, (*inside, name)) if fragment else 0
            self._depths[name] = depth
        return self._depths[name]


def _flat(node: SelectionSetNode, waiting: list[SelectionSetNode]) -> Iterator[FieldNode]:
    """The fields of a selection; inline fragments wait for their own turn, spreads count where they are."""
    for selection in node.selections:
        if isinstance(selection, FieldNode):
            yield selection
        elif isinstance(selection, InlineFragmentNode):
            waiting.append(selection.selection_set)


class _Prices:
    """What the fields of a valid document cost."""

    def __init__(self, schema: GraphQLSchema, shape: _Shape) -> None:
        self._schema = schema
        self._fragments = shape.fragments
        self._defaults = _defaults(shape.operations)
        self._known: dict[tuple[str, Size | None], Cost] = {}

    def of(self, operation: OperationDefinitionNode) -> Cost:
        root = self._schema.get_root_type(operation.operation)
        assert root is not None
        return self._selection(operation.selection_set, root, None)

    def _selection(self, node: SelectionSetNode, of: GraphQLNamedType, page: Size | None) -> Cost:
        cost = Cost()
        for selection in node.selections:
            if isinstance(selection, FieldNode):
                cost.add(self._field(selection, of, page), ONE)
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                on = self._schema.type_map[condition.name.value] if condition else of
                cost.add(self._selection(selection.selection_set, on, page), ONE)
            elif isinstance(selection, FragmentSpreadNode):
                cost.add(self._fragment(selection.name.value, page), ONE)
        return cost

    def _fragment(self, name: str, page: Size | None) -> Cost:
        if (name, page) not in self._known:
            fragment = self._fragments[name]
            on = self._schema.type_map[fragment.type_condition.name.value]
            self._known[name, page] = self._selection(fragment.selection_set, on, page)
        return self._known[name, page]

    def _field(self, node: FieldNode, of: GraphQLNamedType, page: Size | None) -> Cost:
        name = node.name.value
        if name in INTROSPECTIONS:
            return Cost(INTROSPECTION_COST)
        definition: GraphQLField | None = getattr(of, "fields", {}).get(name)
        if definition is None:
            return Cost(0)
        own = Cost(self._own(definition, of))
        if node.selection_set is None:
            return own
        asked = self._asked(node, definition)
        inner = self._selection(node.selection_set, get_named_type(definition.type), asked)
        own.add(inner, self._size(name, definition, page if asked is None else asked))
        return own

    def _own(self, definition: GraphQLField, of: GraphQLNamedType) -> int:
        """A value of the row is a point; what has arguments, or stands at the root, is read on its own."""
        if of is self._schema.mutation_type:
            return MUTATION_COST
        reads = definition.args or of is self._schema.query_type or of is self._schema.subscription_type
        return READ_COST if reads else 1

    def _size(self, name: str, definition: GraphQLField, page: Size | None) -> Size:
        kind = definition.type.of_type if is_non_null_type(definition.type) else definition.type
        if not is_list_type(kind):
            return ONE
        return page or Size(None, SIZES.get(name, OTHER_SIZE))

    def _asked(self, node: FieldNode, definition: GraphQLField) -> Size | None:
        """How many rows the field's own arguments ask for; None where it has no such argument."""
        name = next((each for each in ("first", "ids") if each in definition.args), None)
        if name is None:
            return None
        given = next((each.value for each in node.arguments or () if each.name.value == name), None)
        if isinstance(given, VariableNode):
            return Size(given.name.value, self._defaults.get(given.name.value, USUAL_PAGE))
        return Size(None, _length(given))


def _defaults(operations: Sequence[OperationDefinitionNode]) -> dict[str, int]:
    """The length that a variable asks for when it is not sent; the longest where operations differ."""
    found: dict[str, int] = {}
    for operation in operations:
        for each in operation.variable_definitions or ():
            if each.default_value is not None:
                name = each.variable.name.value
                found[name] = max(found.get(name, 0), _length(each.default_value))
    return found


def _length(given: ValueNode | None) -> int:
    if isinstance(given, ListValueNode):
        return len(given.values)
    if isinstance(given, IntValueNode):
        return max(1, min(int(given.value), MAX_PAGE)) if len(given.value) < 10 else MAX_PAGE
    return USUAL_PAGE
