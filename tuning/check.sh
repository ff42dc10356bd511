#!/usr/bin/env bash
# Compares this host with tuning/README.md and prints what differs. Reads only: nothing is
# changed, and no root is needed.
#
#   tuning/check.sh [DATA_FOLDER]     default: ./corelane-data, or else the current folder
#
# `differs` lines are what to look at; a host that has not a knob at all (most virtual machines
# lack some) gets a `no such` line. Exit code: 0 nothing differs, 1 something does.
set -uo pipefail
shopt -s extglob
export LC_ALL=C

case ${1:-} in
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
esac
data=${1:-}
[ -n "$data" ] || { [ -d corelane-data ] && data=corelane-data || data=.; }
[ -d "$data" ] || { echo "check.sh: $data is no folder" >&2; exit 2; }

same=0 differing=0 absent=0

# say NAME HAVE WANT VERDICT
say() {
  case $4 in
    same) same=$((same + 1)); return ;;
    differs) differing=$((differing + 1)) ;;
  esac
  printf '%-8s %-34s is %s, wanted %s\n' "$4" "$1" "$2" "$3"
}

missing() {
  absent=$((absent + 1))
  printf '%-8s %s\n' 'no such' "$1"
}

# is NAME FILE PATTERN WANTED: the file's text is to match the pattern of `case`.
is() {
  local have
  [ -r "$2" ] || { missing "$1"; return; }
  have=$(cat "$2" 2>/dev/null) || { missing "$1"; return; }
  # shellcheck disable=SC2254 # The pattern is meant as one.
  case $have in
    $3) say "$1" "$have" "$4" same ;;
    *) say "$1" "${have:-empty}" "$4" differs ;;
  esac
}

# least NAME FILE NUMBER: the file's number is to be this large at least.
least() {
  local have
  have=$(cat "$2" 2>/dev/null) || { missing "$1"; return; }
  have=${have##*[[:space:]]}
  if [ "$have" = unlimited ] || [ "$have" -ge "$3" ] 2>/dev/null; then
    say "$1" "$have" "$3" same
  else
    say "$1" "$have" "at least $3" differs
  fi
}

# The processor.
governors=$(cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor 2>/dev/null | sort -u | xargs)
if [ -z "$governors" ]; then missing 'CPU frequency governor'
elif [ "$governors" = performance ]; then say governor x x same
else say 'CPU frequency governor' "$governors" performance differs; fi

deep=
for state in /sys/devices/system/cpu/cpu0/cpuidle/state*; do
  [ -r "$state/latency" ] || continue
  [ "$(cat "$state/latency")" -le 10 ] || [ "$(cat "$state/disable")" = 1 ] ||
    deep="$deep $(cat "$state/name")"
done
if [ ! -d /sys/devices/system/cpu/cpu0/cpuidle ]; then missing 'C-states'
elif [ -z "$deep" ]; then say C-states x x same
else say 'C-states slower than 10 µs' "on:$deep" 'off, or /dev/cpu_dma_latency held' differs; fi

is 'clock source' /sys/devices/system/clocksource/clocksource0/current_clocksource \
  '@(tsc|kvm-clock|arch_sys_counter)' 'tsc (kvm-clock in a VM)'
is 'isolated CPUs' /sys/devices/system/cpu/isolated '?*' "the shards' CPUs"
is 'NUMA balancing' /proc/sys/kernel/numa_balancing 0 0
is 'scheduler autogroups' /proc/sys/kernel/sched_autogroup_enabled 0 0
is 'PCIe power saving' /sys/module/pcie_aspm/parameters/policy '*\[performance\]*' performance

# Memory.
is 'transparent huge pages' /sys/kernel/mm/transparent_hugepage/enabled '*\[madvise\]*' madvise
if [ "$(wc -l </proc/swaps)" -gt 1 ]; then
  is 'swappiness (swap is on)' /proc/sys/vm/swappiness '@(0|1)' '1, or no swap'
fi
is 'vm.stat_interval' /proc/sys/vm/stat_interval '@([1-9][0-9][0-9]*|[2-9][0-9])' '120 s'

# The kernel's permission. Older kernels have no such switch, and then it is allowed.
[ ! -e /proc/sys/kernel/io_uring_disabled ] ||
  is 'io_uring switched off' /proc/sys/kernel/io_uring_disabled 0 0
limit() { awk -v name="$1" 'index($0, name) == 1 { print $(NF - 2) }' /proc/self/limits; }
for row in 'Max locked memory=8388608' 'Max open files=65536'; do
  name=${row%=*} want=${row#*=} have=$(limit "${row%=*}")
  if [ "$have" = unlimited ] || [ "$have" -ge "$want" ]; then say "$name" x x same
  else say "$name (this shell)" "$have" "at least $want" differs; fi
done

# The network.
least 'net.core.somaxconn' /proc/sys/net/core/somaxconn 4096
least 'net.ipv4.tcp_max_syn_backlog' /proc/sys/net/ipv4/tcp_max_syn_backlog 4096
is 'tcp_slow_start_after_idle' /proc/sys/net/ipv4/tcp_slow_start_after_idle 0 0
least 'tcp_rmem, largest' /proc/sys/net/ipv4/tcp_rmem 16777216
least 'tcp_wmem, largest' /proc/sys/net/ipv4/tcp_wmem 16777216
if command -v systemctl >/dev/null && systemctl is-active --quiet irqbalance 2>/dev/null; then
  say irqbalance running 'off, or kept from NIC and disk' differs
fi

# The disk under the data folder.
device=$(findmnt -no MAJ:MIN -T "$data" | tr -d ' ')
node=$(readlink -f "/sys/dev/block/$device")
[ -d "$node/queue" ] || node=${node%/*}
name=${node##*/}
if [ -d "$node/queue" ]; then
  queue=$node/queue
  is "$name: I/O scheduler" "$queue/scheduler" '@(none|*\[none\]*)' none
  is "$name: merging" "$queue/nomerges" 2 '2 (no lookups)'
  is "$name: writeback throttling" "$queue/wbt_lat_usec" 0 0
  is "$name: statistics" "$queue/iostats" 0 0
  is "$name: entropy from I/O" "$queue/add_random" 0 0
  is "$name: blocks of" "$queue/logical_block_size" 4096 4096
  cache=$(cat "$queue/write_cache" 2>/dev/null)
  echo "note     $name: write cache is '$cache': 'write back' makes each ack wait for a flush;" \
    "say 'write through' only of a drive with power-loss protection"
  case $name in
    nvme*) is 'NVMe power saving' \
      /sys/module/nvme_core/parameters/default_ps_max_latency_us 0 0 ;;
  esac
else
  missing "a block device under $data"
fi
mount=$(findmnt -no FSTYPE,OPTIONS -T "$data")
case $mount in
  xfs\ * | ext4\ *) say 'file system' x x same ;;
  *) say 'file system' "${mount%% *}" 'xfs or ext4' differs ;;
esac
case ,${mount##* }, in
  *,noatime,*) say mount x x same ;;
  *) say "mount of $data" "without noatime" noatime differs ;;
esac

echo "$same as wanted, $differing different, $absent not on this host"
[ "$differing" = 0 ]
