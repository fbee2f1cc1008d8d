"""Expressions and statements of SQLite as trees: redundant parentheses, case and synonyms vanish.

Precedence and associativity are those of https://www.sqlite.org/src/file/src/parse.y . What is no
expression known here is left as its tokens, so that two texts are called the same only if they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic_assay.dialects.sqlite.cursor import Cursor, Unparsable
from alembic_assay.dialects.sqlite.names import Names, fold
from alembic_assay.dialects.sqlite.tokens import Token, read_tokens, render_tokens

Node = tuple[object, ...]
"""What stands first is the operator, or the kind of a leaf; then come operands and texts."""

_POWERS = {
    "OR": 1,
    "AND": 2,
    "NOT": 3,
    **dict.fromkeys(["=", "==", "<>", "!=", "IS", "ISNULL", "NOTNULL"], 4),
    **dict.fromkeys(["IN", "BETWEEN", "LIKE", "GLOB", "MATCH", "REGEXP"], 4),
    **dict.fromkeys(["<", "<=", ">", ">="], 5),
    **dict.fromkeys(["&", "|", "<<", ">>"], 7),
    **dict.fromkeys(["+", "-"], 8),
    **dict.fromkeys(["*", "/", "%"], 9),
    **dict.fromkeys(["||", "->", "->>"], 10),
    "COLLATE": 11,
}
_UNARY = 12
_NEGATABLE = ("IN", "BETWEEN", "LIKE", "GLOB", "MATCH", "REGEXP", "NULL")
_MATCHING = ("LIKE", "GLOB", "MATCH", "REGEXP")
_QUERIES = ("SELECT", "WITH", "VALUES")
_SAME = {"==": "=", "!=": "<>"}
_NULL: Node = ("NULL",)
_TRUTHS = {"TRUE": "1", "FALSE": "0"}
_NOW = ("CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME")


def parse_expression(text: str, names: Names) -> Node:
    """Return the tree of an expression; its bare tokens where it is none that is known."""
    cursor = Cursor(read_tokens(text))
    parser = _Parser(cursor, names)
    try:
        tree = _value(parser.take_expression())
        cursor.take_end()
    except (Unparsable, RecursionError):
        return "text", text
    return tree


def parse_statements(text: str, names: Names) -> Node:
    """Return the words and the trees of the expressions in a query, or in several statements."""
    cursor = Cursor(read_tokens(text))
    try:
        tree = _Parser(cursor, names).take_statements()
        cursor.take_end()
    except (Unparsable, RecursionError):
        return "text", text
    return tree


def is_constant(tree: Node) -> bool:
    """Whether an expression is made of literals and operators alone, so that nothing can vary."""
    if tree[0] in ("name", "call", "query", "text", *_NOW):
        return False
    return all(is_constant(part) for part in tree[1:] if isinstance(part, tuple))


class _Parser:
    def __init__(self, cursor: Cursor, names: Names) -> None:
        self._cursor = cursor
        self._names = names

    def take_statements(self) -> Node:
        """Take all up to the end, or up to a parenthesis that is closed and was not opened."""
        cursor = self._cursor
        found: list[object] = []
        depth, is_ordered = 0, False
        while not (cursor.is_at_end() or (cursor.at(")") and not depth)):
            if cursor.accept("AS") or (is_ordered and cursor.accept("ASC")):
                continue
            if any(cursor.at(word, "JOIN") for word in ("INNER", "OUTER")):
                cursor.take()
                continue
            if cursor.accept("ORDER", "BY"):
                found.append("ORDER BY")
                is_ordered = True
                continue
            expression = cursor.attempt(self.take_expression)
            if expression is not None:
                found.append(_value(expression))
                continue
            token = cursor.take()
            depth += (token.keyword == "(") - (token.keyword == ")")
            is_ordered = is_ordered and token.keyword not in ("(", ")", ";", "LIMIT")
            found.append(render_tokens([token]))
        return "query", *found

    def take_expression(self, above: int = 0) -> Node:
        """Take an expression whose operators all bind more tightly than ``above``."""
        cursor = self._cursor
        left = self._take_operand()
        while True:
            negated = next((word for word in _NEGATABLE if cursor.at("NOT", word)), None)
            operator = negated or cursor.peek().keyword
            power = 4 if negated else _POWERS.get(operator, 0)
            if power <= above or operator == "NOT":
                return left
            if negated:
                cursor.take()
            cursor.take()
            if operator in ("ISNULL", "NOTNULL", "NULL"):
                left = _node("IS" if operator == "ISNULL" else "IS NOT", left, _NULL)
            else:
                left = self._take_right_of(left, operator, power)
                left = _negated(left) if negated else left

    def _take_right_of(self, left: Node, operator: str, power: int) -> Node:
        cursor = self._cursor
        if operator == "IS":
            return self._take_is(left)
        if operator == "IN":
            return self._take_in(left)
        if operator == "BETWEEN":
            low = self.take_expression(_POWERS["AND"])
            cursor.take_words("AND")
            return _node(operator, left, low, self.take_expression(power))
        if operator == "COLLATE":
            return _node(operator, left, ("collation", cursor.take_name().upper()))
        right = self.take_expression(power)
        if operator in _MATCHING and cursor.accept("ESCAPE"):
            return _node(operator, left, right, self.take_expression(power))
        if operator in ("AND", "OR"):
            return _node(operator, *_operands(left, operator), *_operands(right, operator))
        return _node(_SAME.get(operator, operator), left, right)

    def _take_is(self, left: Node) -> Node:
        is_not = self._cursor.accept("NOT")
        if self._cursor.accept("DISTINCT", "FROM"):
            is_not = not is_not
        # Here alone TRUE is not the number 1: it asks for the truth of what stands before it.
        right = self.take_expression(_POWERS["IS"])
        return "IS NOT" if is_not else "IS", _value(left), right

    def _take_in(self, left: Node) -> Node:
        cursor = self._cursor
        if not cursor.at("("):
            return _node("IN", left, ("table", self._take_operand()))
        if any(cursor.at("(", word) for word in _QUERIES):
            return _node("IN", left, self._take_operand())
        return _node("IN", left, _node("list", *self._take_list()))

    def _take_list(self) -> list[Node]:
        """Take expressions in parentheses."""
        cursor = self._cursor
        cursor.take_words("(")
        items: list[Node] = []
        while not cursor.accept(")"):
            if items:
                cursor.take_words(",")
            items.append(self.take_expression())
        return items

    def _take_operand(self) -> Node:
        cursor = self._cursor
        keyword = cursor.peek().keyword
        if keyword == "(":
            return self._take_parentheses()
        if keyword == "NOT":
            cursor.take()
            return _negated(self.take_expression(_POWERS["NOT"]))
        if keyword in ("-", "+", "~"):
            cursor.take()
            return _unary(keyword, self.take_expression(_UNARY))
        if keyword == "EXISTS":
            cursor.take()
            return _node("EXISTS", self._take_parentheses())
        if keyword == "CASE":
            return self._take_case()
        if keyword == "CAST" and cursor.accept("CAST", "("):
            return self._take_cast()
        return self._take_leaf(cursor.take())

    def _take_parentheses(self) -> Node:
        cursor = self._cursor
        if any(cursor.at("(", word) for word in _QUERIES):
            cursor.take()
            query = self.take_statements()
            cursor.take_words(")")
            return query
        items = self._take_list() if not cursor.at("(", ")") else []
        if not items:
            raise Unparsable("empty parentheses")
        return items[0] if len(items) == 1 else _node("row", *items)

    def _take_case(self) -> Node:
        cursor = self._cursor
        cursor.take()
        found: list[object] = []
        while not cursor.accept("END"):
            word = next((word for word in ("WHEN", "THEN", "ELSE") if cursor.accept(word)), None)
            found.append(_value(self.take_expression()) if word is None else word)
        return "CASE", *found

    def _take_cast(self) -> Node:
        operand = self.take_expression()
        self._cursor.take_words("AS")
        type_ = render_tokens(self._cursor.take_until(")"))
        self._cursor.take_words(")")
        return _node("CAST", operand, ("type", type_.upper()))

    def _take_leaf(self, token: Token) -> Node:
        cursor = self._cursor
        if token.kind == "number":
            return _number(token.text)
        if token.kind == "string":
            return "string", token.identifier
        if token.kind == "blob":
            return "blob", token.text.upper()
        if token.keyword == "NULL" or token.keyword in _NOW:
            return (token.keyword,)
        if token.keyword in _TRUTHS:
            return "truth", _TRUTHS[token.keyword]
        if token.identifier is None:
            raise Unparsable(f"expected an expression, found {token.text!r}")
        if cursor.at("("):
            return self._take_call(token.identifier)
        if not cursor.accept("."):
            return self._names.resolve(token.identifier)
        if cursor.accept("*"):
            return "name", token.identifier, "*"
        return self._names.resolve_qualified(token.identifier, cursor.take_name())

    def _take_call(self, name: str) -> Node:
        cursor = self._cursor
        if cursor.accept("(", "*", ")"):
            return "call", fold(name), "*"
        if cursor.accept("(", "DISTINCT"):
            argument = _value(self.take_expression())
            cursor.take_words(")")
            return "call", fold(name), "DISTINCT", argument
        return "call", fold(name), *map(_value, self._take_list())


def _node(operator: str, *operands: Node) -> Node:
    return operator, *map(_value, operands)


def _negated(operand: Node) -> Node:
    """Return the negation, which IS, never null itself, has in itself."""
    if operand[0] in ("IS", "IS NOT"):
        return "IS NOT" if operand[0] == "IS" else "IS", *operand[1:]
    return _node("NOT", operand)


def _value(tree: Node) -> Node:
    """Return TRUE and FALSE as the numbers that they are."""
    return _number(str(tree[1])) if tree[0] == "truth" else tree


def _operands(tree: Node, operator: str) -> Sequence[Node]:
    """Return the operands of AND or OR, however they are nested, or the tree itself."""
    if tree[0] != operator:
        return [tree]
    return [part for part in tree[1:] if isinstance(part, tuple)]


def _unary(operator: str, operand: Node) -> Node:
    operand = _value(operand)
    is_number = operand[0] in ("integer", "real") and not str(operand[1]).startswith("-")
    if is_number and operator != "~":
        return (operand[0], f"-{operand[1]}") if operator == "-" else operand
    return operator, operand


def _number(text: str) -> Node:
    if text.isdecimal():
        return "integer", text.lstrip("0") or "0"
    if "_" in text or text[1:2] in ("x", "X"):
        return "number", text.upper()
    return "real", repr(float(text))
