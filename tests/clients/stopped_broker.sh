#!/usr/bin/env bash
# What a broker leaves on disk when it was stopped: Kafka's kafka-dump-log reads it, and the
# broker goes on with it. Called four times: `fill` while it runs, `dump` when it is stopped,
# `again` when it was started anew, and `killed` after a kill -9.
. "$(dirname "$0")/lib.sh"
client kafka-dump-log "$KAFKA_VERSION"
server=(--bootstrap-server "$BOOTSTRAP")
topic=stopped-$RUN
out=$SCRATCH/dump
records=3000

fills() {
  kafka-topics.sh "${server[@]}" --create --topic "$topic" --partitions 2 \
    --config segment.bytes=1048576
  seq "$records" | sed "s/$/ $(printf '%01000d' 0)/" | kcat -b "$BOOTSTRAP" -P -t "$topic" -p 0 \
    -X batch.num.messages=10 -X enable.idempotence=true
  kcat -b "$BOOTSTRAP" -C -q -t "$topic" -p 0 -e -f '%T %o %s\n' >"$out.records"
  # A group with a committed offset.
  kcat -b "$BOOTSTRAP" -q -G "$topic" -X auto.offset.reset=earliest -c 100 "$topic" >/dev/null
}

# dump PATH-PATTERN OPTION...: what kafka-dump-log says of the files, oldest first.
dump() {
  local files
  files=$(find "$DATA_DIR" -path "$1" | sort | paste -sd,)
  [ -n "$files" ] || { echo "no file $1"; return 1; }
  shift
  kafka-dump-log.sh --files "$files" "$@" >"$out" 2>&1 || { tail -n 15 "$out"; return 1; }
  ! grep -niE 'exception|isvalid: false|mismatch|could not|invalid bytes' "$out"
}

dumps_logs() {
  dump "*/$topic-0/*.log" --print-data-log --deep-iteration
  # More than one segment; every record once, in order; batches of an idempotent producer.
  [ "$(grep -c '^Log starting offset' "$out")" -gt 1 ]
  same "$(cut -d' ' -f2,3 "$out.records")" \
    "$(sed -n 's/^| offset: \([0-9]*\) .* payload: \([0-9]*\) .*/\1 \2/p' "$out")"
  expect 'isvalid: true' "$out"
  grep -q 'producerId: [0-9]' "$out"
}

dumps_indexes() {
  dump "*/$topic-0/*.index" --index-sanity-check
  expect 'passed sanity check' "$out"
  dump "*/$topic-0/*.index"
  [ "$(grep -c '^offset: [0-9]* position: [0-9]*' "$out")" -gt 100 ]
  dump "*/$topic-0/*.timeindex"
  [ "$(grep -c '^timestamp: [0-9]* offset: [0-9]*' "$out")" -gt 2 ]
}

dumps_metadata() {
  dump '*/__cluster_metadata-0/*.log' --cluster-metadata-decoder
  expect "\"type\":\"TOPIC_RECORD\",\"version\":0,\"data\":{\"name\":\"$topic\"" "$out"
  expect '"type":"PARTITION_RECORD"' "$out"
  expect '"type":"REGISTER_BROKER_RECORD"' "$out"
}

dumps_groups() {
  dump '*/__consumer_offsets-*/*.log' --offsets-decoder
  expect "\"group\":\"$topic\"" "$out"
  expect '"offset":' "$out"
}

dumps_snapshots() {
  dump "*/$topic-0/*.snapshot"
  [ "$(grep -c '^Dumping ' "$out")" -gt 1 ]
  grep -qE '^producerId: [0-9]+ ' "$out"
}

# The folders with a meta.properties, one of each node and folder of log.dirs.
node_folders() { find "$DATA_DIR" -name meta.properties -printf '%h\n' | sort; }

# Kafka's own classes read checkpoints, identities and the clean stop's marker.
reads_small_files() {
  local folders
  mapfile -t folders < <(node_folders)
  java -Xmx128m -cp "$KAFKA_CLASSPATH" "$(dirname "$0")/ReadFolder.java" "${folders[@]}" >"$out"
  same "${#folders[@]}" "$(grep -c "^clean $1" "$out")"
  grep -qE "^offset log-start-offset-checkpoint $topic-0 0$" "$out"
  grep -qE "^offset recovery-point-offset-checkpoint $topic-0 [0-9]+$" "$out"
  grep -qE "^offset replication-offset-checkpoint $topic-0 [0-9]+$" "$out"
  grep -qE "^epochs $topic-0 \[EpochEntry\[epoch=0, startOffset=0\]" "$out"
  grep -qE "^id $topic-0 " "$out"
}

# What a kill leaves: sealed files are whole; behind the records of an active one is room for more,
# at which kafka-dump-log ends, having shown all there is.
dumps_killed() {
  local active times
  active=$(find "$DATA_DIR" -path "*/$topic-0/*.log" | sort | tail -n 1)
  times=${active%.log}.timeindex
  dump "*/$topic-0/*.index"
  dump "*/$topic-0/*.snapshot"
  # To check a time index it reads its log to the end.
  mv "$active" "$active.aside"
  mv "$times" "$times.aside"
  dump "*/$topic-0/*.log"
  dump "*/$topic-0/*.timeindex"
  mv "$active.aside" "$active"
  mv "$times.aside" "$times"
  kafka-dump-log.sh --files "$active" --print-data-log --deep-iteration >"$out" 2>&1 || :
  same "more $records" "$(sed -n 's/^| offset: \([0-9]*\) .* payload: \(more\)$/\2 \1/p' "$out")"
  kafka-dump-log.sh --cluster-metadata-decoder --files \
    "$(find "$DATA_DIR" -path '*/__cluster_metadata-0/*.log')" >"$out" 2>&1 || :
  expect "\"data\":{\"name\":\"$topic\"" "$out"
  find "$DATA_DIR" -path '*/__consumer_offsets-*/*.log' | sort | while read -r active; do
    kafka-dump-log.sh --offsets-decoder --files "$active" 2>&1 || :
  done >"$out"
  expect "\"group\":\"$topic\"" "$out"
}

goes_on() {
  kcat -b "$BOOTSTRAP" -C -q -t "$topic" -p 0 -e -f '%T %o %s\n' | cmp - "$out.records"
  kafka-consumer-groups.sh "${server[@]}" --describe --group "$topic" >"$out"
  same 100 "$(awk -v t="$topic" '$2 == t && $3 == 0 { print $4 }' "$out")"
  echo more | kcat -b "$BOOTSTRAP" -P -t "$topic" -p 0
  same "more $records" "$(kcat -b "$BOOTSTRAP" -C -q -t "$topic" -p 0 -o -1 -c 1 -f '%s %o\n')"
}

case $1 in
  fill) check 'a topic of several segments, a group' fills ;;
  dump)
    check '*.log' dumps_logs
    check '*.index and *.timeindex' dumps_indexes
    check 'the metadata log' dumps_metadata
    check 'the log of the groups' dumps_groups
    check '*.snapshot' dumps_snapshots
    [ "$NODES" = 1 ] || check "checkpoints and identities" reads_small_files 'true true'
    ;;
  killed)
    check 'all files after a kill' dumps_killed
    check 'checkpoints and identities after a kill' reads_small_files 'false false'
    ;;
  again) check 'records and group offsets are there after a restart' goes_on ;;
esac
