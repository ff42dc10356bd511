#!/usr/bin/env bash
# What tuning/ offers does what it says: check.sh and a dry run change nothing, apply.sh undoes
# what it did, the seccomp profile refuses what a broker has no business with. The client tests
# run the broker under that profile. Wants root, and a host where one harmless knob can be set.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { echo "FAILED $*"; exit 1; }
knob=/proc/sys/vm/stat_interval

state() { cat /proc/sys/vm/{swappiness,stat_interval} /proc/sys/net/core/somaxconn; }
before=$(state)
status=0
tuning/check.sh . >"$scratch/out" || status=$?
[ "$status" -le 1 ] || fail "check.sh says $status"
grep -qE '^[0-9]+ as wanted, [0-9]+ different' "$scratch/out" || fail 'check.sh has no last line'
tuning/apply.sh . >"$scratch/out" || fail 'a dry run fails'
grep -q 'nothing was changed' "$scratch/out" || fail 'a dry run does not say so'
[ "$(state)" = "$before" ] || fail 'a dry run, or check.sh, changed something'
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
