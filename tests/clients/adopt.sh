#!/usr/bin/env bash
# A Kafka folder is taken over: a real broker is filled and stopped, `corelane adopt` makes a
# folder of its folders, and what is served from there is what Kafka served, and goes on.
# Then the same with a young one, which has other things. Apart from the broker that the other
# clients talk to.
. "$(dirname "$0")/lib.sh"
client corelane-adopt "from Kafka $KAFKA_VERSION"
here=$(cd "$(dirname "$0")" && pwd)
kafka_sh=$here/../kafka/kafka.sh
kafka=$(mktemp -d "$SCRATCH/kafka.XXXX")
ours=$(mktemp -d "$SCRATCH/adopted.XXXX")
young=$(mktemp -d "$SCRATCH/young.XXXX")
from=$kafka/data,$kafka/second
into=$ours/first,$ours/second
out=$SCRATCH/adopt

port=$(free_port)
server=127.0.0.1:$port

tidy() {
  [ ! -e "$ours/pid" ] || kill -9 "$(cat "$ours/pid")" 2>/dev/null || :
  for dir in "$kafka" "$young"; do
    [ ! -e "$dir/pid" ] || "$kafka_sh" stop "$dir" || :
  done
  rm -rf "$kafka" "$ours" "$young"
}
trap tidy EXIT

kafka_start() {
  # Snapshots of the metadata, and compaction, come within the test.
  "$kafka_sh" start "$port" "$kafka" "log.dirs=$from" log.cleaner.backoff.ms=200 \
    metadata.log.max.record.bytes.between.snapshots=3000
}

# A broker does not outlive the check that starts it.
serve() {
  : >"$ours/out"
  "$CORELANE" serve --data-dir "$into" --port "$port" >"$ours/out" 2>>"$ours/err" 9>&- &
  echo $! >"$ours/pid"
  until_ok 30 grep -q '^corelane ready' "$ours/out"
}

stop() {
  kill "-${1:-TERM}" "$(cat "$ours/pid")"
  timeout 30 tail --pid="$(cat "$ours/pid")" -f /dev/null
  rm "$ours/pid"
}

tested() { "$PYTHON" "$here/adopt.py" "$1" "$server"; }
adopt() { "$CORELANE" adopt --from "$from" --data-dir "$into" --shards 2 "$@"; }
refused() { ! adopt --yes >"$out" 2>&1 && expect "$1" "$out" && [ -z "$(ls -A "$ours")" ]; }
# Every byte of Kafka's folders.
bytes() { find "$kafka/data" "$kafka/second" -type f -exec sha256sum {} + | sort -k2; }

fills() {
  kafka_start
  tested fill
  # In another term.
  "$kafka_sh" stop "$kafka"
  kafka_start
  tested more
  tested serves >"$SCRATCH/kafka.serves"
  grep -q '^read_committed transactions' "$SCRATCH/kafka.serves"
}

refuses() {
  refused 'is in use by a Kafka broker'
  "$kafka_sh" stop "$kafka"
  mv "$kafka/data/.kafka_cleanshutdown" "$kafka/aside"
  refused 'was not closed cleanly'
  mv "$kafka/aside" "$kafka/data/.kafka_cleanshutdown"
  from=$kafka/second refused 'have a __cluster_metadata-0'
  from=$kafka/data refused 'name every folder'
  from=$kafka refused 'has no meta.properties'
  into=$kafka/data refused 'is not empty'
}

plans() {
  bytes >"$SCRATCH/kafka.bytes"
  adopt >"$out"
  expect 'Nothing was changed' "$out"
  grep -qE '^transactions +2 ' "$out"
  [ -z "$(ls -A "$ours")" ]
  bytes | cmp - "$SCRATCH/kafka.bytes"
}

takes_over() {
  adopt --yes >"$out"
  expect 'Taken over' "$out"
  # Sealed segments have two names.
  [ "$(find "$kafka" -name '*.log' -links 2 | wc -l)" -gt 5 ]
  ! adopt --yes >"$out" 2>&1
  expect 'is not empty' "$out"
}

serves_the_same() {
  serve
  tested serves | diff "$SCRATCH/kafka.serves" - | head -n 20
  [ "${PIPESTATUS[1]}" = 0 ]
  kafka-configs.sh --bootstrap-server "$server" --describe --entity-type topics \
    --entity-name compacted >"$out"
  expect 'cleanup.policy=compact' "$out"
  # The Java client believes what it is told of aborted transactions in its own way.
  for partition in 0 1; do
    kafka-console-consumer.sh --bootstrap-server "$server" --topic transactions \
      --partition "$partition" --offset earliest --isolation-level read_committed \
      --timeout-ms 3000 >"$out" 2>/dev/null || :
    same "$(grep -c "^read_committed transactions $partition" "$SCRATCH/kafka.serves")" \
      "$(grep -c . "$out")"
  done
  stop
}

goes_on() {
  serve
  tested goes-on
  tested more
  tested serves >"$SCRATCH/before"
  [ "$(wc -l <"$SCRATCH/before")" -gt "$(wc -l <"$SCRATCH/kafka.serves")" ]
  stop KILL
  serve
  tested serves | cmp - "$SCRATCH/before"
  stop
  serve
  tested serves | cmp - "$SCRATCH/before"
  stop
  # All the while nothing was written into what both have.
  bytes | cmp - "$SCRATCH/kafka.bytes"
}

# dump SUFFIX [OPTION]...: kafka-dump-log of all files of the topic's partitions.
dump() {
  local files
  files=$(find "$ours" -path "*/transactions-*/*.$1" | sort | paste -sd,)
  shift
  kafka-dump-log.sh --files "$files" "$@" >"$out" 2>&1
  ! grep -niE 'exception|isvalid: false|mismatch|could not|invalid bytes' "$out"
}

dumps() {
  dump log --deep-iteration
  expect 'endTxnMarker: ABORT' "$out"
  dump txnindex
  [ "$(grep -c 'producerId: .* firstOffset: ' "$out")" -gt 20 ]
  dump snapshot
  expect 'producerId: ' "$out"
  dump index --index-sanity-check
  dump timeindex
}

# The other kind of life: a broker of a minute, whose cleaner never ran, stopped in a transaction,
# and its folder taken over from a copy.
young_fills() {
  "$kafka_sh" start "$port" "$young" offsets.topic.num.partitions=3 \
    transaction.state.log.num.partitions=2
  kafka-configs.sh --bootstrap-server "$server" --alter --entity-type users --entity-default \
    --add-config producer_byte_rate=1000000
  tested young
  "$kafka_sh" stop "$young"
  [ -e "$young/data/cleaner-offset-checkpoint" ] && [ ! -s "$young/data/cleaner-offset-checkpoint" ]
}

young_refuses() {
  mkdir "$young/copy"
  cp -r "$young"/data/* "$young/copy"
  ! from=$young/copy into=$ours/young adopt --yes >"$out" 2>&1
  expect 'A copy needs the hidden files, too' "$out"
  rm -r "$young/copy"
  cp -a "$young/data" "$young/copy"
  ! from=$young/copy into=$ours/young adopt --yes >"$out" 2>&1
  expect 'SCRAM credentials (1, of alice)' "$out"
  expect 'client quotas (1, of user <default>)' "$out"
  expect 'add --leave-behind scram,quotas' "$out"
  [ ! -e "$ours/young" ]
}

young_is_taken_over() {
  from=$young/copy into=$ours/young adopt --leave-behind scram,quotas --end-transactions --yes >"$out"
  expect 'left out: SCRAM credentials (1, of alice): here clients are not asked for a password' "$out"
  expect 'Taken over' "$out"
  grep -qE '^open transaction in young-0 \(of producer [0-9]+ from offset 9, to be aborted\)' "$out"
  for stopped in TERM KILL; do
    into=$ours/young serve
    tested young-ended
    stop "$stopped"
  done
  diff -r "$young/data" "$young/copy"
  files=$(find "$ours/young" -path '*/young-0/*' \( -name '*.log' -o -name '*.txnindex' \) | paste -sd,)
  kafka-dump-log.sh --files "$files" --deep-iteration >"$out"
  expect 'endTxnMarker: ABORT' "$out"
  expect 'firstOffset: 9' "$out"
}

# Its coordinator comes along: the client that opened it comes back and goes on.
young_goes_on() {
  from=$young/copy into=$ours/kept adopt --leave-behind scram,quotas --yes >"$out"
  grep -qE '^open transaction in young-0 \(of producer [0-9]+ from offset 9, to be aborted\): ' "$out"
  into=$ours/kept serve
  tested young-kept
  stop KILL
  into=$ours/kept serve
  tested young-ended
  stop
}

check 'a Kafka broker with all kinds of topics' fills
check 'what cannot be taken over is refused, and why' refuses
check 'a plan changes nothing' plans
check 'it is taken over' takes_over
check 'every record, time, group and transaction is served as Kafka served it' serves_the_same
check 'groups and producers go on, through a kill and a restart' goes_on
check 'kafka-dump-log reads all files' dumps
check 'a young Kafka broker, stopped in a transaction' young_fills
check 'what would be left behind and left open is told' young_refuses
check 'it is taken over from a copy with it, and ends when its client comes back' young_goes_on
check 'it is taken over from a copy without that, and the transaction is aborted' young_is_taken_over
