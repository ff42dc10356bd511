#!/usr/bin/env bash
# What a broker leaves on disk when it was stopped: Kafka's kafka-dump-log reads it, and the
# broker goes on with it. Called three times: `fill` while it runs, `dump` when it is stopped, and
# `again` when it was started anew.
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
  kafka-dump-log.sh --files "$files" "$@" >"$out" 2>&1
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
    ;;
  again) check 'records and group offsets are there after a restart' goes_on ;;
esac
