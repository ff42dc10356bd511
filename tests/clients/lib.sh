# What the client tests in bash share. Sourced; run.sh sets BOOTSTRAP and the rest.
set -euo pipefail
PATH=$KAFKA_TOOLS:$PATH

# Names the client that the rest of the file is about.
client() {
  client=$1
  echo "client $1 $2"
}

# Runs one test, a function, and prints one line; its output only when it failed. What the function
# left in the background is ended.
check() {
  local what=$1 start=$EPOCHREALTIME status
  shift
  set +e
  (
    set -eE
    trap 'echo "failed in $BASH_SOURCE, line $LINENO: $BASH_COMMAND"' ERR
    # A stopped one gets its signals once it goes on.
    trap 'set +e; jobs=$(jobs -p)
      [ -z "$jobs" ] || { kill $jobs; kill -CONT $jobs; } 2>/dev/null; wait' EXIT
    "$@"
  ) >"$SCRATCH/check.log" 2>&1
  status=$?
  set -e
  if [ "$status" != 0 ]; then
    cat "$SCRATCH/check.log"
    echo "FAILED $client: $what"
    exit 1
  fi
  printf 'ok %s: %s (%.1f s)\n' "$client" "$what" "$(awk "BEGIN { print $EPOCHREALTIME - $start }")"
}

# expect TEXT FILE: the file holds the text; shows the file when it does not.
expect() {
  grep -qF -- "$1" "$2" && return
  echo "expected: $1"
  echo "found:"
  tail -n 40 "$2"
  return 1
}

# same EXPECTED FOUND: two texts are equal; shows the difference when they are not.
same() { diff <(printf '%s\n' "$1") <(printf '%s\n' "$2"); }

# until_ok SECONDS COMMAND...: waits for a command to succeed.
until_ok() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "not in time: $*"; return 1; }
    sleep 0.1
  done
}

# lines_in COUNT FILE...: the files hold that many lines.
lines_in() {
  local count=$1
  shift
  [ "$(cat "$@" | wc -l)" -ge "$count" ]
}

# group_of_two GROUP PARTITIONS: it has two members with so many partitions each.
group_of_two() {
  kafka-consumer-groups.sh --bootstrap-server "$BOOTSTRAP" --describe --members --group "$1" \
    >"$SCRATCH/members" 2>&1 &&
    [ "$(awk -v g="$1" -v n="$2" '$1 == g && $5 == n' "$SCRATCH/members" | wc -l)" = 2 ]
}
