#!/usr/bin/env python3
"""Reads what gcov's counters say, per test file, and writes coverage/.

    coverage.py TREE REACHED OUT

TREE is the built tree with its .gcno files; REACHED has a directory for each
test file, with the .gcda files of its processes below it; OUT takes summary.txt,
unreached.txt and tests.json (see coverage.sh).
"""

import collections
import json
import os
import subprocess
import sys


def counters(directory):
    """The .gcda files below a directory, keyed by their path in the tree."""
    for base, _, names in os.walk(directory):
        for name in names:
            if name.endswith('.gcda'):
                path = os.path.join(base, name)
                yield path, path[path.index('/src/') + 1:]


def gcov(tree, directory):
    """gcov's own reading of one test's counters: (file, its lines)."""
    for gcda, path in counters(directory):
        target = os.path.join(tree, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(gcda, 'rb') as source, open(target, 'wb') as copy:
            copy.write(source.read())
        answer = subprocess.run(
            ['gcov', '--json-format', '--stdout', '--branch-probabilities', target],
            cwd=tree, check=True, capture_output=True, text=True)
        os.unlink(target)
        for document in answer.stdout.splitlines():
            for file in json.loads(document)['files']:
                if file['file'].startswith('src/') and file['file'].endswith('.c'):
                    yield file['file'], file['lines']


class Coverage:
    def __init__(self):
        self.lines = collections.defaultdict(dict)      # file, line: reached?
        self.branches = collections.defaultdict(dict)   # file, (line, n): taken?
        self.tests = collections.defaultdict(lambda: collections.defaultdict(list))

    def add(self, test, file, lines):
        for line in lines:
            number, reached = line['line_number'], line['count'] > 0
            self.lines[file][number] = self.lines[file].get(number, False) or reached
            for n, branch in enumerate(line['branches']):
                if branch['throw']:
                    continue
                taken = self.branches[file].get((number, n), False) or branch['count'] > 0
                self.branches[file][number, n] = taken
            if reached and test not in self.tests[file][number]:
                self.tests[file][number].append(test)

    def write(self, tree, out):
        with open(os.path.join(out, 'tests.json'), 'w') as file:
            json.dump(self.tests, file)
        with open(os.path.join(out, 'summary.txt'), 'w') as file:
            for name in sorted(self.lines):
                file.write(row(name, self.lines[name].values(), self.branches[name].values()))
            file.write(row('all',
                           [v for f in self.lines.values() for v in f.values()],
                           [v for f in self.branches.values() for v in f.values()]))
        with open(os.path.join(out, 'unreached.txt'), 'w') as file:
            for name in sorted(self.lines):
                with open(os.path.join(tree, name)) as source:
                    text = source.read().split('\n')
                for number in sorted(n for n, reached in self.lines[name].items() if not reached):
                    file.write(f'{name}:{number}: {text[number - 1].strip()}\n')


def row(name, lines, branches):
    def part(values):
        values = list(values)
        share = 100 * sum(values) / len(values) if values else 100
        return f'{sum(values):6d} of {len(values):6d} {share:5.1f} %'
    return f'{name:34s} lines {part(lines)}   branches {part(branches)}\n'


def main(tree, reached, out):
    coverage = Coverage()
    for test in sorted(os.listdir(reached)):
        for file, lines in gcov(tree, os.path.join(reached, test)):
            coverage.add(test, file, lines)
    coverage.write(tree, out)


if __name__ == '__main__':
    main(*sys.argv[1:])
