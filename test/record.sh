#!/usr/bin/env bash
# Records test/demo.sh as an animated drawing of a terminal.
#
#   test/record.sh [FILE]      default doc/demo.svg
#
# The demonstration is the real one.  In the drawing, pauses are shortened, and
# ports, process numbers and temporary directories have names that stay the
# same, so that two recordings differ in little but the times that a pull took.
# Takes the variables of test/demo.sh.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
file=${1:-$here/../doc/demo.svg}

bash "$here/demo.sh" 2>&1 | perl "$here/terminal.pl" "$file" 'test/demo.sh'
