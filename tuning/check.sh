#!/usr/bin/env bash
# Says what on this host differs from the table in README.md, what an ack means on the disk, and
# what a write takes there. It changes no setting; for the two seconds of measuring it writes to a
# file of its own in the data folder (--no-measure leaves that out).
#
#   tuning/check.sh [--data-dir DIR] [--no-measure] [--json] …     as `corelane check` has them
#
# The program is $CORELANE, or in the PATH, or else in target/release or target/debug beside it.
# Exit code: of `corelane check` (0 the broker can serve here, 1 it cannot), 127 without one.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
for program in ${CORELANE:+"$CORELANE"} "$(command -v corelane || true)" \
  "${CARGO_TARGET_DIR:-$here/target}"/{release,debug}/corelane; do
  [ ! -f "$program" ] || [ ! -x "$program" ] || exec "$program" check "$@"
done
echo "check.sh: there is no corelane in the PATH or in $here/target;" >&2
echo "  cargo build --release    in $here makes one, CORELANE=FILE names another" >&2
exit 127
