#!/usr/bin/env bash
# What tuning/ offers does what it says: `corelane check` and a dry run change nothing, apply.sh
# undoes what it did, the seccomp profile refuses what a broker has no business with. The client tests
# run the broker under that profile. Wants root, and a host where one harmless knob can be set.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { echo "FAILED $*"; exit 1; }
knob=/proc/sys/vm/stat_interval

state() { cat /proc/sys/vm/{swappiness,stat_interval} /proc/sys/net/core/somaxconn; }
before=$(state)
corelane=${CORELANE:-${CARGO_TARGET_DIR:-target}/debug/corelane}
[ -x "$corelane" ] || cargo build -q
"$corelane" check --data-dir "$scratch/data" >"$scratch/out" || fail "check says $?"
grep -qE '^host: [0-9]+ settings as wanted, [0-9]+ to look at' "$scratch/out" ||
  fail 'check does not sum up'
"$corelane" check --data-dir "$scratch/data" --no-measure --json | /usr/bin/python3 -m json.tool \
  >/dev/null || fail 'the JSON of check is none'
[ ! -e "$scratch/data" ] || fail 'check made a folder'
tuning/apply.sh . >"$scratch/out" || fail 'a dry run fails'
grep -q 'nothing was changed' "$scratch/out" || fail 'a dry run does not say so'
[ "$(state)" = "$before" ] || fail 'a dry run, or check, changed something'
echo 'ok looking changes nothing'

old=$(cat "$knob")
echo 7 >"$knob" || fail "$knob cannot be set: run this as root, on a host of your own"
apply() { tuning/apply.sh "$@" --only stat_interval --save "$scratch/saved" >>"$scratch/log"; }
apply --apply || fail "apply.sh: $(cat "$scratch/log")"
[ "$(cat "$knob")" = 120 ] || fail "apply.sh left $(cat "$knob")"
apply --apply || fail 'a second time'
apply --revert || fail "revert: $(cat "$scratch/log")"
[ "$(cat "$knob")" = 7 ] || fail "revert left $(cat "$knob")"
[ ! -e "$scratch/saved" ] || fail 'the save file is still there'
echo "$old" >"$knob"
echo 'ok what was set can be undone'

confined() { /usr/bin/python3 tests/clients/confined.py tuning/seccomp.json "$@"; }
confined true || fail 'the profile lets nothing run'
! confined unshare --user true 2>"$scratch/err" || fail 'the profile lets namespaces be made'
grep -q 'not permitted' "$scratch/err" || fail "unexpected: $(cat "$scratch/err")"
echo 'ok the profile refuses what a broker does not do'
