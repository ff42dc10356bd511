#!/usr/bin/env bash
# Stock Kafka clients against a broker:
#
#   run.sh [--against corelane|kafka] [CLIENT]...
#
# Starts a broker, runs the clients named (all of them when none is) and stops it. `corelane` is
# the program that $CORELANE names, with two shards; `kafka` is Apache Kafka, to see that a test
# asks for what Kafka does. Folder $OUT keeps the logs and gets `clients.md`, the table that
# ends the run. $PYTHON is a Python with what requirements.txt lists.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
against=corelane
all=(tutorial java_tools admin_tools transaction_tools java_client kcat kafka_python confluent_kafka
  aiokafka franz_go real_text compaction stopped_broker)
[ "${1:-}" != --against ] || { against=$2; shift 2; }
# Taking over Kafka's folders is nothing that Kafka does.
[ "$against" != corelane ] || all+=(adopt)
[ $# -gt 0 ] || set -- "${all[@]}"
case $against in corelane | kafka) ;; *) echo "run.sh: no broker $against" >&2; exit 2 ;; esac

kafka_sh=$here/../kafka/kafka.sh
mkdir -p "$OUT"
logs=$(cd "$OUT" && pwd)/test-logs/clients
table=$OUT/clients.md
rm -rf "$logs"
mkdir -p "$logs/scratch"
export SCRATCH=$logs/scratch RUN=1 PYTHON
DATA_DIR=$(mktemp -d "$logs/data.XXXX")
export DATA_DIR
KAFKA_TOOLS=$("$kafka_sh" tools)
KAFKA_CLASSPATH=$("$kafka_sh" classpath)
KAFKA_VERSION=$(sed -n 's/.*<kafka.version>\(.*\)<.*/\1/p' "$here/../kafka/pom.xml")
export KAFKA_TOOLS KAFKA_CLASSPATH KAFKA_VERSION

# Of four ports in a row, elsewhere in every run, the first: where nothing listens.
free_port() {
  local port
  for port in $(shuf -i 5000-7000 -n 50); do
    port=$((port * 4))
    if ! { : <"/dev/tcp/127.0.0.1/$port" || : <"/dev/tcp/127.0.0.1/$((port + 1))"; } 2>/dev/null
    then
      echo "$port"
      return
    fi
  done
  echo "run.sh: no free port" >&2
  return 1
}
export -f free_port
port=$(free_port)
admin_port=$((port + 2))
export BOOTSTRAP=127.0.0.1:$port

# As in the file that Kafka ships: a new group's first member need not wait 3 s for others. And
# a transaction that takes too long is found soon.
settings=(group.initial.rebalance.delay.ms=0
  transaction.abort.timed.out.transaction.cleanup.interval.ms=500
  # Members of the consumer protocol are missed as soon as those of the classic one.
  group.consumer.min.session.timeout.ms=6000 group.consumer.session.timeout.ms=6000
  group.consumer.min.heartbeat.interval.ms=500 group.consumer.heartbeat.interval.ms=500)

broker=
start_broker() {
  if [ "$against" = kafka ]; then
    export NODES=1
    "$kafka_sh" start "$port" "$DATA_DIR" "${settings[@]}"
    broker=$(cat "$DATA_DIR/pid")
    return
  fi
  export NODES=2
  printf '%s\n' "${settings[@]}" >"$logs/server.properties"
  : >"$logs/broker.out"
  # In the sandbox that tuning/ recommends: what it refuses, no client may need.
  # (A program that keeps what clients send stands before the broker, and starts it: CONFINED=0.)
  local sandbox=(/usr/bin/python3 "$here/confined.py" "$here/../../tuning/seccomp.json")
  [ "${CONFINED:-1}" = 1 ] || sandbox=()
  RUST_BACKTRACE=1 "${sandbox[@]}" \
    "$CORELANE" serve --config "$logs/server.properties" --data-dir "$DATA_DIR" --port "$port" \
    --shards "$NODES" --admin-port "$admin_port" >"$logs/broker.out" 2>>"$logs/broker.err" &
  broker=$!
  local waited
  for ((waited = 0; waited < 300; waited++)); do
    grep -q '^corelane ready' "$logs/broker.out" && return
    kill -0 "$broker" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 40 "$logs/broker.out" "$logs/broker.err"
  echo "FAILED the broker did not come up"
  return 1
}

# No byte of a record may have crossed from one shard's core to another's.
no_record_crossed() {
  [ "$against" = corelane ] || return 0
  "$PYTHON" - "http://127.0.0.1:$admin_port/metrics" <<-'END'
	import sys, urllib.request
	lines = urllib.request.urlopen(sys.argv[1], timeout=10).read().decode().splitlines()
	counts = [line for line in lines if line.startswith("corelane_mesh_record_bytes_total")]
	if not counts or any(float(line.split()[-1]) for line in counts):
	    sys.exit(f"FAILED record bytes that crossed cores: {counts}")
	END
}

# Stops the broker; it has to go by itself, and without an error.
stop_broker() {
  local pid=$broker crossed=0
  broker=
  no_record_crossed || crossed=1
  if [ "$against" = kafka ]; then
    "$kafka_sh" stop "$DATA_DIR"
    cp "$DATA_DIR/server.log" "$logs/broker.err"
    return
  fi
  kill "$pid" || { echo "FAILED the broker had ended by itself"; return 1; }
  timeout 60 tail --pid="$pid" -f /dev/null || { echo "FAILED it does not stop"; kill -9 "$pid"; }
  wait "$pid" || { echo "FAILED the broker stopped with status $?"; return 1; }
  return "$crossed"
}

# Kills it in the midst of things.
kill_broker() {
  kill -9 "$broker"
  wait "$broker" 2>/dev/null || :
  broker=
}

# Ends what a client left running.
end_client() {
  [ -z "$client" ] || kill -9 -- "-$client" 2>/dev/null || :
  client=
}

tidy_up() {
  end_client
  if [ -n "$broker" ] && kill "$broker" 2>/dev/null; then
    timeout 30 tail --pid="$broker" -f /dev/null || kill -9 "$broker"
  fi
  rm -rf "$DATA_DIR" "$SCRATCH"
}
trap tidy_up EXIT

# Runs one client, in a process group of its own; its log is kept, its `ok` lines are shown.
client=
client() {
  local name=$1 log=$logs/$1.log status=0
  local command=("$here/$name.sh" "${@:2}")
  [ ! -e "$here/with_$name.py" ] || command=("$PYTHON" "$here/with_$name.py" "${@:2}")
  : >"$log.part"
  setsid "${command[@]}" >"$log.part" 2>&1 </dev/null &
  client=$!
  tail -n +1 -f --pid="$client" "$log.part" | grep --line-buffered '^ok ' || :
  wait "$client" || status=$?
  end_client
  cat "$log.part" >>"$log"
  rm "$log.part"
  return "$status"
}

failed=0
row() {
  local name=$1 seconds=$2 log=$logs/$1.log result=$3 said
  said=$(sed -n 's/^client //p' "$log" | head -n 1)
  # A client that did nothing has not passed.
  grep -q '^ok ' "$log" || result=failed
  if [ "$result" != passed ]; then
    failed=1
    # What came after the last test that passed.
    awk '/^ok / { text = ""; next } { text = text $0 "\n" } END { printf "%s", text }' "$log" |
      tail -n 60 | cut -c1-300
    echo "The broker's log ($logs) ends:"
    tail -q -n 10 "$logs/broker.err" "$DATA_DIR/server.log" 2>/dev/null | cut -c1-300 || :
  fi
  printf '| %s | %s | %s | %s | %s s |\n' "${said%% *}" "${said#* }" \
    "$(grep -c '^ok ' "$log")" "$result" "$seconds" >>"$table"
}

cat >"$table" <<'END'
| client | version | tests | result | time |
| --- | --- | --- | --- | --- |
END
for name in "$@"; do
  if [ -n "$broker" ] && ! kill -0 "$broker" 2>/dev/null; then
    echo "FAILED the broker ended by itself"
    failed=1
    broker=
  fi
  [ -n "$broker" ] || start_broker
  start=$SECONDS
  result=passed
  if [ "$name" = stopped_broker ]; then
    client "$name" fill && stop_broker && client "$name" dump && start_broker &&
      client "$name" again || result=failed
    # Kafka's own folders after a kill are not what is asked for.
    if [ "$against" = corelane ] && [ "$result" = passed ]; then
      kill_broker && client "$name" killed && start_broker || result=failed
    fi
  elif [ "$name" = compaction ]; then
    client "$name" fill && stop_broker && start_broker && client "$name" again || result=failed
  else
    client "$name" || result=failed
  fi
  row "$name" $((SECONDS - start)) "$result"
done
if [ -n "$broker" ]; then stop_broker || failed=1; fi
if grep -n 'panicked' "$logs"/broker.err 2>/dev/null; then
  echo "FAILED the broker panicked"
  failed=1
fi
echo
cat "$table"
exit "$failed"
