#!/usr/bin/env python3
"""Makes mutants of C files: small faults, one each, from the syntax tree.

    mutants.py list [--seed N] [--count N] FILE…    one JSON object a line
    mutants.py apply TREE JSON                      puts one into a tree
    mutants.py tests COVERAGE JSON                  the test files that reach its line

A mutant is {id, file, line, function, kind, start, end, old, new}: bytes start
to end of the file are old and become new.  The id is made of what the mutant
does and not of where it stands, so that it outlives other changes of the file.
Run from the root of the tree; the preprocessor's flags come from CPPFLAGS.
"""

import argparse
import collections
import hashlib
import json
import os
import random
import shlex
import sys

from clang import cindex
from clang.cindex import CursorKind as Kind

OPPOSITE = {'<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '==',
            '&&': '||', '||': '&&', '+': '-', '-': '+', '&': '|', '|': '&'}
BOOLEANS = {'true': 'false', 'false': 'true'}
# what these do is freed at the end anyway, or only tells
NO_LOSS = {'pfree', 'list_free', 'list_free_deep', 'free', 'pgstat_report_activity',
           'pgstat_progress_update_param', 'heap_freetuple', 'FreeTupleDesc', 'MemoryContextDelete',
           'MemoryContextReset', 'bms_free', 'explicit_bzero', 'memset', 'set_ps_display'}
LEAVES = {Kind.RETURN_STMT, Kind.GOTO_STMT, Kind.BREAK_STMT, Kind.CONTINUE_STMT}


class File:
    """One C file and the mutants of it."""

    def __init__(self, path, arguments):
        self.path = path
        with open(path, 'rb') as file:
            self.text = file.read()
        self.unit = cindex.Index.create().parse(path, args=arguments)
        fatal = [d for d in self.unit.diagnostics if d.severity >= cindex.Diagnostic.Error]
        if fatal:
            sys.exit(f'{path}: {fatal[0]}')
        self.function = ''
        self.mutants = []
        self.seen = collections.Counter()

    def source(self, cursor):
        return self.text[cursor.extent.start.offset:cursor.extent.end.offset].decode()

    def add(self, kind, start, end, new):
        old = self.text[start:end].decode()
        if old == new or old.count('(') != old.count(')'):
            return
        what = '\0'.join((self.path, self.function, kind, old, new))
        self.seen[what] += 1
        name = hashlib.sha256(f'{what}\0{self.seen[what]}'.encode()).hexdigest()[:10]
        self.mutants.append({
            'id': name, 'file': self.path, 'line': self.text.count(b'\n', 0, start) + 1,
            'function': self.function, 'kind': kind, 'start': start, 'end': end, 'old': old, 'new': new})

    def replace(self, kind, cursor, new):
        self.add(kind, cursor.extent.start.offset, cursor.extent.end.offset, new)

    # ---- the kinds ----

    def condition(self, cursor, children):
        if cursor.kind == Kind.IF_STMT:
            condition, body = children[0], children[1]
        elif cursor.kind == Kind.WHILE_STMT:
            condition, body = children[0], None
        else:
            return
        text = self.source(condition)
        if text.startswith(('ereport', 'elog')):    # the macro's own condition
            return
        self.replace('negated condition', condition, f'!({text})')
        if body is not None and len(children) == 2 and self.is_check(body):
            self.replace('dropped check', condition, f'(({text}), false)')

    def is_check(self, body):
        statements = list(body.get_children()) if body.kind == Kind.COMPOUND_STMT else [body]
        if not statements:
            return False
        last = statements[-1]
        return last.kind in LEAVES or self.source(last).startswith(('ereport', 'elog', 'raise', 'fail'))

    def operator(self, cursor, children):
        if cursor.kind != Kind.BINARY_OPERATOR or len(children) != 2:
            return
        start, end = children[0].extent.end.offset, children[1].extent.start.offset
        between = self.text[start:end].decode()
        operator = between.strip()
        if operator not in OPPOSITE:
            return
        kind = 'off by one' if operator in ('<', '<=', '>', '>=') else 'exchanged operator'
        at = start + between.index(operator)
        self.add(kind, at, at + len(operator), OPPOSITE[operator])

    def constant(self, cursor):
        text = self.source(cursor)
        if text in BOOLEANS:
            self.replace('exchanged constant', cursor, BOOLEANS[text])
        elif cursor.kind == Kind.INTEGER_LITERAL and text.isdigit():
            self.replace('off by one', cursor, str(int(text) + 1))

    def call(self, cursor, is_statement):
        arguments = list(cursor.get_arguments())
        name = cursor.spelling
        text = self.source(cursor)
        if is_statement and name and text.startswith(name) and name not in NO_LOSS:
            self.replace('dropped call', cursor, '((void) 0)')
        for one, other in zip(arguments, arguments[1:]):
            if one is None or other is None or one.type.get_canonical() != other.type.get_canonical():
                continue
            first, second = self.source(one), self.source(other)
            start, end = one.extent.start.offset, other.extent.end.offset
            if first and second and self.text[start:end].decode().startswith(first):
                between = self.text[one.extent.end.offset:other.extent.start.offset].decode()
                if between.strip() == ',':
                    self.add('exchanged arguments', start, end, second + between + first)

    # ---- the walk ----

    def walk(self, cursor, is_statement=False):
        children = list(cursor.get_children())
        self.condition(cursor, children)
        self.operator(cursor, children)
        if cursor.kind == Kind.CALL_EXPR:
            self.call(cursor, is_statement)
        if cursor.kind in (Kind.INTEGER_LITERAL, Kind.CXX_BOOL_LITERAL_EXPR):
            self.constant(cursor)
        for n, child in enumerate(children):
            self.walk(child, self.is_statement(cursor, n))

    @staticmethod
    def is_statement(cursor, n):
        if cursor.kind == Kind.COMPOUND_STMT:
            return True
        return cursor.kind == Kind.IF_STMT and n > 0

    def all(self):
        for cursor in self.unit.cursor.get_children():
            if (cursor.kind == Kind.FUNCTION_DECL and cursor.is_definition()
                    and os.path.samefile(cursor.location.file.name, self.path)):
                self.function = cursor.spelling
                for child in cursor.get_children():
                    if child.kind == Kind.COMPOUND_STMT:
                        self.walk(child)
        return self.mutants


def list_mutants(options):
    flags = shlex.split(os.environ.get('CPPFLAGS', ''))
    mutants = [m for path in options.files for m in File(path, flags).all()]
    random.Random(options.seed).shuffle(mutants)
    for mutant in mutants[:options.count]:
        print(json.dumps(mutant))


def apply(options):
    mutant = json.loads(options.mutant)
    path = os.path.join(options.tree, mutant['file'])
    with open(path, 'rb') as file:
        text = file.read()
    if text[mutant['start']:mutant['end']].decode() != mutant['old']:
        sys.exit(f"{mutant['file']} has changed since {mutant['id']} was made")
    with open(path, 'wb') as file:
        file.write(text[:mutant['start']] + mutant['new'].encode() + text[mutant['end']:])


def tests(options):
    mutant = json.loads(options.mutant)
    with open(options.coverage) as file:
        lines = json.load(file).get(mutant['file'], {})
    lines = {int(number): names for number, names in lines.items()}
    for number in range(mutant['line'], mutant['line'] - 6, -1):
        if number in lines:
            print('\n'.join(lines[number]))
            return


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser('list')
    command.add_argument('--seed', type=int, default=1)
    command.add_argument('--count', type=int, default=None)
    command.add_argument('files', nargs='+')
    command.set_defaults(run=list_mutants)
    command = commands.add_parser('apply')
    command.add_argument('tree')
    command.add_argument('mutant')
    command.set_defaults(run=apply)
    command = commands.add_parser('tests')
    command.add_argument('coverage')
    command.add_argument('mutant')
    command.set_defaults(run=tests)
    options = parser.parse_args()
    options.run(options)


if __name__ == '__main__':
    main()
