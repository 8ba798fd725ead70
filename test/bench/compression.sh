#!/usr/bin/env bash
# Is PGSYNC_SSH_COMPRESSION=yes worth it?  Pulls the benchmark's shop through
# links of 1, 10 and 100 Mbit/s, with and without; ends with a table.
#
#   test/bench/compression.sh
#
# The links are made by the kernel's token bucket in network namespaces, which
# need no root; see compression.pl.  PG_CONFIG as for test/check.sh.

set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/../check.sh" test/bench/compression.pl
