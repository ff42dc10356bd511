#!/usr/bin/env bash
# What tuning/ offers does what it says: check.sh and a dry run change nothing, apply.sh undoes
# what it did and nothing else, the unit is one, the seccomp profile refuses what a broker has no
# business with (the client tests run the broker under it), the cluster for trying starts and leaves
# nothing. It sets nothing on this host: apply.sh gets a /proc and a /sys of plain files.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { echo "FAILED $*"; exit 1; }

state() { cat /proc/sys/vm/{swappiness,stat_interval} /proc/sys/net/core/somaxconn; }
before=$(state)
corelane=${CORELANE:-${CARGO_TARGET_DIR:-target}/debug/corelane}
[ -x "$corelane" ] || cargo build -q
check() { CORELANE=$corelane tuning/check.sh --data-dir "$scratch/data" "$@"; }
check >"$scratch/out" || fail "check says $?"
grep -qE '^host: [0-9]+ settings as wanted, [0-9]+ to look at' "$scratch/out" ||
  fail 'check does not sum up'
check --no-measure --json | /usr/bin/python3 -m json.tool >/dev/null ||
  fail 'the JSON of check is none'
[ ! -e "$scratch/data" ] || fail 'check made a folder'
cp tuning/check.sh "$scratch/alone.sh"
status=0
env -u CORELANE CARGO_TARGET_DIR="$scratch" PATH=/usr/bin:/bin "$scratch/alone.sh" 2>"$scratch/err" ||
  status=$?
[ $status = 127 ] && grep -q 'cargo build --release' "$scratch/err" ||
  fail "check.sh without a program: $status, $(cat "$scratch/err")"
tuning/apply.sh . >"$scratch/out" || fail 'a dry run fails'
grep -q 'nothing was changed' "$scratch/out" || fail 'a dry run does not say so'
[ "$(state)" = "$before" ] || fail 'a dry run, or check, changed something'
echo 'ok looking changes nothing'

# A host of plain files, with the values of a fresh one.
root=$scratch/root saved=$scratch/lib/saved log=$scratch/log
device=$(findmnt -no MAJ:MIN -T "$scratch" | tr -d ' ')
file() { mkdir -p "$root/$(dirname "$1")"; printf '%s\n' "$2" >"$root/$1"; }
is() { [ "$(cat "$root/$1")" = "$2" ] || fail "$1 is $(cat "$root/$1"), not $2: $(cat "$log")"; }
cpus=sys/devices/system/cpu disk=sys/devices/disk0
file proc/sys/kernel/random/boot_id first
file proc/sys/vm/swappiness 60
file proc/sys/vm/stat_interval 1
file proc/sys/net/core/somaxconn 65535
file proc/sys/net/ipv4/tcp_rmem $'4096\t131072\t6291456'
file proc/sys/kernel/numa_balancing 0
file sys/kernel/mm/transparent_hugepage/enabled '[always] madvise never'
for cpu in 0 1; do file $cpus/cpu$cpu/cpufreq/scaling_governor powersave; done
file $cpus/cpuidle/current_driver none
file $disk/queue/scheduler 'none [bfq]'
file $disk/queue/wbt_lat_usec 75000
file $disk/queue/write_cache 'write back'
file $disk/part1/partition 1
mkdir -p "$root/sys/dev/block"
ln -s "$root/$disk/part1" "$root/sys/dev/block/$device"
all() { (cd "$root" && find . -type f | sort | xargs tail -n +1); }
apply() { tuning/apply.sh --root "$root" --save "$saved" "$@" "$scratch" >"$log" 2>&1; }
fresh=$(all)

apply || fail "dry: $(cat "$log")"
grep -q '^would .*governor of cpu1 *powersave -> performance' "$log" || fail "$(cat "$log")"
grep -q 'as wanted, 8 would change' "$log" || fail "sum: $(cat "$log")"
[ "$(all)" = "$fresh" ] && [ ! -e "$saved" ] || fail 'a dry run changed something'
apply --apply || fail "apply: $(cat "$log")"
is proc/sys/vm/swappiness 1
is proc/sys/vm/stat_interval 120
is proc/sys/net/core/somaxconn 65535
is proc/sys/net/ipv4/tcp_rmem '4096 131072 16777216'
is sys/kernel/mm/transparent_hugepage/enabled madvise
is $cpus/cpu1/cpufreq/scaling_governor performance
is $disk/queue/scheduler none
is $disk/queue/wbt_lat_usec 0
is $disk/queue/write_cache 'write back'
lines=$(wc -l <"$saved")
apply --apply || fail "a second time: $(cat "$log")"
[ "$(wc -l <"$saved")" = "$lines" ] || fail 'a second time saved what the first had set'
echo 'ok what can be set is set, once'

# As plain files have it after a write.
written() {
  tr '\t' ' ' <<<"$fresh" | sed 's/^\[always\].*/always/;s/^none \[bfq\]$/bfq/'
}
apply --revert || fail "revert: $(cat "$log")"
[ "$(all)" = "$(written)" ] || fail "revert left $(diff <(all) <(written))"
[ ! -e "$saved" ] || fail 'the save file is still there'
apply --revert && grep -q 'nothing to undo' "$log" || fail "a second revert: $(cat "$log")"

apply --apply --only governor || fail "only: $(cat "$log")"
is proc/sys/vm/swappiness 60
apply --apply || fail "the rest: $(cat "$log")"
apply --revert || fail "both: $(cat "$log")"
[ "$(all)" = "$(written)" ] || fail "two steps, one back: $(diff <(all) <(written))"

# Stopped between the note and the write; another program's value; a reboot with other defaults.
printf 'first\t%s\t120\t1\n' "$root/proc/sys/vm/stat_interval" >"$saved"
apply --revert || fail "half an apply: $(cat "$log")"
[ "$(all)" = "$(written)" ] || fail 'half an apply was not undone'
apply --apply --only memory || fail "memory: $(cat "$log")"
file proc/sys/vm/swappiness 10
apply --revert || fail "another's value: $(cat "$log")"
is proc/sys/vm/swappiness 10
is proc/sys/vm/stat_interval 1
apply --apply --only memory || fail "memory: $(cat "$log")"
file proc/sys/kernel/random/boot_id second
file proc/sys/vm/swappiness 1
apply --revert || fail "after a reboot: $(cat "$log")"
is proc/sys/vm/swappiness 1
[ ! -e "$saved" ] || fail 'the save file of another boot is still there'
echo 'ok what was set is undone, and nothing else'

# A file of the kernel that cannot be written, not even by root.
rm "$root/proc/sys/vm/stat_interval"
ln -s /proc/sys/kernel/cap_last_cap "$root/proc/sys/vm/stat_interval"
file sys/kernel/mm/transparent_hugepage/enabled '[always] madvise never'
status=0
apply --apply --only memory || status=$?
[ $status = 1 ] || fail "a refusal ends with $status: $(cat "$log")"
grep -q '^refused  vm.stat_interval' "$log" || fail "no refusal: $(cat "$log")"
is sys/kernel/mm/transparent_hugepage/enabled madvise
apply --revert || fail "after a refusal: $(cat "$log")"
is sys/kernel/mm/transparent_hugepage/enabled always
[ "$(state)" = "$before" ] || fail 'something was set on this host'
echo 'ok what is refused is said, and the rest is done'

if command -v systemd-analyze >/dev/null; then
  # The program and the user of the unit are not on a host that only tests.
  sed "s|^ExecStart=[^ ]*|ExecStart=$(command -v true)|;s/^\(User\|Group\)=.*/\1=root/" \
    tuning/broker.service >"$scratch/corelane.service"
  systemd-analyze verify "$scratch/corelane.service" >"$scratch/out" 2>&1 &&
    [ ! -s "$scratch/out" ] || fail "the unit: $(cat "$scratch/out")"
  echo 'ok systemd takes the unit'
else
  echo 'skipped the unit: there is no systemd-analyze'
fi

if command -v java >/dev/null && command -v mvn >/dev/null; then
  cluster=$scratch/cluster
  try() { CORELANE=$corelane tuning/try-cluster.sh --port 18092 "$@" >"$scratch/out" 2>"$scratch/err"; }
  try --no-wait "$cluster" || fail "the cluster for trying: $(cat "$scratch/out" "$scratch/err")"
  grep -q 'for trying' "$scratch/out" || fail 'it is not said that the cluster is for trying'
  grep -q ' 127.0.0.1:18092,127.0.0.1:18093,127.0.0.1:18094$' "$scratch/out" ||
    fail "no bootstrap: $(cat "$scratch/out")"
  for pid in $(sed -n 's/,\? controller / /;s/^  processes *brokers //p' "$scratch/out"); do
    ! kill -0 "$pid" 2>/dev/null || fail "process $pid of the cluster is left"
  done
  [ -d "$cluster/broker-3/shard-0" ] || fail "$cluster was to be kept"
  status=0
  try --brokers none || status=$?
  [ $status = 2 ] || fail "a wrong call ends with $status"
  echo 'ok a cluster for trying starts, says where it is and stops'
else
  echo 'skipped the cluster for trying: there is no JDK, or no Maven'
fi

confined() { /usr/bin/python3 tests/clients/confined.py tuning/seccomp.json "$@"; }
confined true || fail 'the profile lets nothing run'
! confined unshare --user true 2>"$scratch/err" || fail 'the profile lets namespaces be made'
grep -q 'not permitted' "$scratch/err" || fail "unexpected: $(cat "$scratch/err")"
echo 'ok the profile refuses what a broker does not do'
