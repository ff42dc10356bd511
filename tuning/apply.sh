#!/usr/bin/env bash
# Sets the knobs of tuning/README.md that can be set on a running host, and can undo it.
#
#   tuning/apply.sh [DATA_FOLDER]             say what would be changed; change nothing
#   tuning/apply.sh --apply [DATA_FOLDER]     change it; old values go into the save file first
#   tuning/apply.sh --revert                  write the old values back, newest first
#
#   --only WORD    only knobs whose name holds WORD (power, cores, memory, network, disk: a group)
#   --save FILE    the save file [default: /var/lib/corelane-tuning.saved]
#   --root DIR     take DIR/proc and DIR/sys for the host's (for tests and containers)
#
# DATA_FOLDER says which disk [default: ./corelane-data, or else the current folder]. What lasts
# longer than until the next boot, needs a reboot, can lose data (the drive's write cache) or
# depends on your topology (isolation, interrupts, coalescing) is left to you and README.md.
# What another program has set since, and what a reboot has undone already, --revert leaves alone.
# The knobs are in knobs.tsv beside this script. Exit code: 0 all done or nothing to do, 1 some
# knob refused, 2 wrong call.
set -uo pipefail
export LC_ALL=C

mode=dry only='' save=/var/lib/corelane-tuning.saved data='' root=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    --apply) mode=apply ;;
    --revert) mode=revert ;;
    --only | --save | --root)
      [ $# -gt 1 ] || { echo "apply.sh: $1 wants a value" >&2; exit 2; }
      case $1 in --only) only=$2 ;; --save) save=$2 ;; --root) root=${2%/} ;; esac
      shift ;;
    -*) echo "apply.sh: no such option: $1 (see --help)" >&2; exit 2 ;;
    *) data=$1 ;;
  esac
  shift
done
[ -n "$data" ] || { [ -d corelane-data ] && data=corelane-data || data=.; }
[ -d "$data" ] || { echo "apply.sh: $data is no folder" >&2; exit 2; }
knobs=$(dirname "$0")/knobs.tsv
[ -r "$knobs" ] || { echo "apply.sh: cannot read $knobs" >&2; exit 2; }
boot=$(cat "$root/proc/sys/kernel/random/boot_id" 2>/dev/null)
boot=${boot:-unknown}

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

# knob NAME FILE OLD NEW
knob() {
  if [ "$mode" = dry ]; then
    printf 'would    %-28s %s -> %s   (%s)\n' "$1" "${3:-empty}" "$4" "$2"
    changed=$((changed + 1))
    return
  fi
  # The old value is on disk before the new one is in force: whatever happens, it can be undone.
  { printf '%s\t%s\t%s\t%s\n' "$boot" "$2" "$4" "$3" >>"$save" && sync "$save"; } ||
    { echo "apply.sh: cannot write $save" >&2; exit 1; }
  if put "$2" "$4"; then
    printf 'set      %-28s %s -> %s\n' "$1" "${3:-empty}" "$4"
    changed=$((changed + 1))
  else
    # Some files take another value than the one written; then the old one has to come back.
    [ "$(current "$2")" = "$3" ] || put "$2" "$3"
    printf 'refused  %-28s stays %s   (%s)\n' "$1" "$(current "$2")" "$2"
    refused=$((refused + 1))
  fi
}

# row NAME RULE FILE VALUE: `is` one of the values between |, or `least` as its last number.
row() {
  local name=$1 file=$3 have want
  [ -e "$file" ] && have=$(current "$file") || return
  case $2 in
    is)
      case "|$4|" in *"|$have|"*) fine=$((fine + 1)); return ;; esac
      want=${4%%|*} ;;
    least)
      if [ "${have##* }" -ge "$4" ] 2>/dev/null; then fine=$((fine + 1)); return; fi
      # Of several numbers the others stay.
      case $have in *' '*) want="${have% *} $4" ;; *) want=$4 ;; esac ;;
    *) echo "apply.sh: $knobs says '$2' of $name" >&2; exit 2 ;;
  esac
  knob "$name" "$file" "$have" "$want"
}

revert() {
  local left at file new old now
  [ -s "$save" ] || { echo "nothing to undo: there is no $save"; exit 0; }
  [ -O "$save" ] || { echo "apply.sh: $save belongs to another user" >&2; exit 2; }
  left=$(mktemp "$save.XXXXXX") || exit 1
  while IFS=$'\t' read -r at file new old; do
    now=$(current "$file" 2>/dev/null)
    if [ "$at" != "$boot" ]; then
      printf 'gone     %s = %s: undone by a reboot\n' "$file" "$now"
    elif [ ! -e "$file" ]; then
      printf 'gone     %s is not there any more\n' "$file"
    elif [ "$now" = "$old" ]; then
      printf 'is back  %s = %s\n' "$file" "$old"
    elif [ "$now" != "$new" ]; then
      printf 'left     %s = %s: set by another program since\n' "$file" "$now"
    elif put "$file" "$old"; then
      printf 'back     %s = %s\n' "$file" "$old"
    else
      printf 'refused  %s stays %s, was %s\n' "$file" "$now" "$old"
      printf '%s\t%s\t%s\t%s\n' "$at" "$file" "$new" "$old" >>"$left"
      refused=$((refused + 1))
    fi
  done < <(tac "$save")
  if [ -s "$left" ]; then tac "$left" >"$save"; else rm -f "$save"; fi
  rm -f "$left"
  [ "$refused" = 0 ]
  exit
}

[ "$mode" != revert ] || revert
if [ "$mode" = apply ]; then
  [ "$(id -u)" = 0 ] || [ -n "$root" ] || { echo "apply.sh: --apply wants root" >&2; exit 2; }
  mkdir -p "$(dirname "$save")"
fi

device=$(findmnt -no MAJ:MIN -T "$data" | tr -d ' ')
node=$(readlink -f "$root/sys/dev/block/$device")
# A partition has the queue of the disk that it is on.
[ -d "$node/queue" ] || node=${node%/*}

while IFS=$'\t' read -r group name rule pattern value; do
  case $group in '#'* | '') continue ;; esac
  label=$name
  case $pattern in
    queue/*)
      [ -d "$node/queue" ] || continue
      label="${node##*/} $name" pattern=$node/$pattern ;;
    *) pattern=$root$pattern ;;
  esac
  case "$group $label" in *"$only"*) ;; *) continue ;; esac
  # Patterns stay split at nothing but what they match.
  IFS=
  for file in $pattern; do
    cpu=${file#"$root"/sys/devices/system/cpu/} cpu=${cpu%%/*}
    if [ "$file" = "$pattern" ]; then row "$label" "$rule" "$file" "$value"
    else row "$label of $cpu" "$rule" "$file" "$value"; fi
  done
  unset IFS
done <"$knobs"

if [ "$mode" = dry ]; then
  echo "$fine as wanted, $changed would change; nothing was changed (--apply does it)"
else
  echo "$fine as wanted already, $changed set, $refused refused; undo with: $0 --revert --save $save"
fi
[ "$refused" = 0 ]
