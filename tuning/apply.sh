#!/usr/bin/env bash
# Sets the knobs of tuning/README.md that can be set on a running host, and can undo it.
#
#   tuning/apply.sh [DATA_FOLDER]             say what would be changed; change nothing
#   tuning/apply.sh --apply [DATA_FOLDER]     change it; old values go into the save file first
#   tuning/apply.sh --revert                  write the old values back, newest first
#
#   --only WORD    only knobs whose name holds WORD (power, cores, memory, network, disk: a group)
#   --save FILE    the save file [default: /var/lib/corelane-tuning.saved]
#
# DATA_FOLDER says which disk [default: ./corelane-data, or else the current folder]. What lasts
# longer than until the next boot, needs a reboot, can lose data (the drive's write cache) or
# depends on your topology (isolation, interrupts, coalescing) is left to you and README.md.
# Exit code: 0 all done or nothing to do, 1 some knob refused, 2 wrong call.
set -uo pipefail
export LC_ALL=C

mode=dry only='' save=/var/lib/corelane-tuning.saved data=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    --apply) mode=apply ;;
    --revert) mode=revert ;;
    --only | --save)
      [ $# -gt 1 ] || { echo "apply.sh: $1 wants a value" >&2; exit 2; }
      if [ "$1" = --only ]; then only=$2; else save=$2; fi
      shift ;;
    -*) echo "apply.sh: no such option: $1 (see --help)" >&2; exit 2 ;;
    *) data=$1 ;;
  esac
  shift
done
[ -n "$data" ] || { [ -d corelane-data ] && data=corelane-data || data=.; }
[ -d "$data" ] || { echo "apply.sh: $data is no folder" >&2; exit 2; }

changed=0 refused=0 fine=0

# current FILE: its value; of a list with one choice in brackets, that choice.
current() {
  local text
  text=$(cat "$1" 2>/dev/null) || return 1
  case $text in *\[*\]*) text=${text#*[} text=${text%%]*} ;; esac
  printf '%s' "$text" | tr '\t' ' '
}

# put FILE VALUE: writes, and looks whether the kernel took it.
put() { (printf '%s\n' "$2" >"$1") 2>/dev/null && [ "$(current "$1")" = "$2" ]; }

# knob GROUP NAME FILE VALUE
knob() {
  local have
  case "$1 $2" in *"$only"*) ;; *) return ;; esac
  [ -e "$3" ] || return
  have=$(current "$3") || return
  if [ "$have" = "$4" ]; then fine=$((fine + 1)); return; fi
  if [ "$mode" = dry ]; then
    printf 'would    %-28s %s -> %s   (%s)\n' "$2" "${have:-empty}" "$4" "$3"
    changed=$((changed + 1))
    return
  fi
  # The old value is on disk before the new one is in force: whatever happens, it can be undone.
  { printf "%s\t%s\n" "$3" "$have" >>"$save" && sync "$save"; } ||
    { echo "apply.sh: cannot write $save" >&2; exit 1; }
  if put "$3" "$4"; then
    printf 'set      %-28s %s -> %s\n' "$2" "${have:-empty}" "$4"
    changed=$((changed + 1))
  else
    printf 'refused  %-28s stays %s   (%s)\n' "$2" "${have:-empty}" "$3"
    refused=$((refused + 1))
  fi
}

# least GROUP NAME FILE NUMBER: raises the last number in the file, never lowers it.
least() {
  local have
  [ -e "$3" ] && have=$(current "$3") || return
  if [ "${have##* }" -ge "$4" ] 2>/dev/null; then
    case "$1 $2" in *"$only"*) fine=$((fine + 1)) ;; esac
  else
    case $have in *' '*) knob "$1" "$2" "$3" "${have% *} $4" ;; *) knob "$1" "$2" "$3" "$4" ;; esac
  fi
}

if [ "$mode" = revert ]; then
  [ -s "$save" ] || { echo "nothing to undo: there is no $save"; exit 0; }
  left=$(mktemp) || exit 1
  while IFS=$'\t' read -r file old; do
    if [ "$(current "$file")" = "$old" ] || put "$file" "$old"; then
      printf 'back     %s = %s\n' "$file" "$old"
    else
      printf 'refused  %s stays %s, was %s\n' "$file" "$(current "$file")" "$old"
      printf '%s\t%s\n' "$file" "$old" >>"$left"
      refused=$((refused + 1))
    fi
  done < <(tac "$save")
  if [ -s "$left" ]; then tac "$left" >"$save"; else rm -f "$save"; fi
  rm -f "$left"
  [ "$refused" = 0 ]
  exit
fi
if [ "$mode" = apply ]; then
  [ "$(id -u)" = 0 ] || { echo "apply.sh: --apply wants root" >&2; exit 2; }
  mkdir -p "$(dirname "$save")"
fi

for file in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do
  cpu=${file#*/cpu/} cpu=${cpu%%/*}
  knob power "governor of $cpu" "$file" performance
done
knob power 'PCIe power saving' /sys/module/pcie_aspm/parameters/policy performance
knob cores 'scheduler slice' /sys/kernel/debug/sched/base_slice_ns 500000
knob cores 'scheduler autogroups' /proc/sys/kernel/sched_autogroup_enabled 0
knob cores 'NUMA balancing' /proc/sys/kernel/numa_balancing 0
knob memory 'transparent huge pages' /sys/kernel/mm/transparent_hugepage/enabled madvise
knob memory swappiness /proc/sys/vm/swappiness 1
knob memory vm.stat_interval /proc/sys/vm/stat_interval 120
least network somaxconn /proc/sys/net/core/somaxconn 4096
least network tcp_max_syn_backlog /proc/sys/net/ipv4/tcp_max_syn_backlog 4096
least network tcp_rmem /proc/sys/net/ipv4/tcp_rmem 16777216
least network tcp_wmem /proc/sys/net/ipv4/tcp_wmem 16777216
knob network tcp_slow_start_after_idle /proc/sys/net/ipv4/tcp_slow_start_after_idle 0
knob cores io_uring_disabled /proc/sys/kernel/io_uring_disabled 0

device=$(findmnt -no MAJ:MIN -T "$data" | tr -d ' ')
node=$(readlink -f "/sys/dev/block/$device")
[ -d "$node/queue" ] || node=${node%/*}
if [ -d "$node/queue" ]; then
  name=${node##*/}
  knob disk "$name scheduler" "$node/queue/scheduler" none
  knob disk "$name nomerges" "$node/queue/nomerges" 2
  knob disk "$name wbt_lat_usec" "$node/queue/wbt_lat_usec" 0
  knob disk "$name iostats" "$node/queue/iostats" 0
  knob disk "$name add_random" "$node/queue/add_random" 0
fi

if [ "$mode" = dry ]; then
  echo "$fine as wanted, $changed would change; nothing was changed (--apply does it)"
else
  echo "$fine as wanted already, $changed set, $refused refused; undo with: $0 --revert --save $save"
fi
[ "$refused" = 0 ]
