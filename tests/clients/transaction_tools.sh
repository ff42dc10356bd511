#!/usr/bin/env bash
# Apache Kafka's command-line tools for transactions, on one that is really open; and those about
# the quorum and elections, whose answers are of a broker that runs alone.
. "$(dirname "$0")/lib.sh"
client transaction-tools "$KAFKA_VERSION"
server=(--bootstrap-server "$BOOTSTRAP")
topic=open-$RUN
out=$SCRATCH/out
transactions=(kafka-transactions.sh "${server[@]}")
id=tools-$RUN

# A producer that sends ten records a second in one transaction, and is stopped in the midst of
# it: only `kill -9` ends it then.
open_transaction() {
  kafka-producer-perf-test.sh "${server[@]}" --topic "$topic" --num-records 10000 \
    --record-size 20 --throughput 10 --transactional-id "$1" --transaction-duration-ms 600000 \
    --command-property transaction.timeout.ms=120000 >"$SCRATCH/producer" 2>&1 &
  producer=$!
  some() { [ "$(end_offset)" -ge "$1" ]; }
  until_ok 30 some "$2"
  kill -STOP "$producer"
}

end_offset() { kafka-get-offsets.sh "${server[@]}" --topic "$topic" | cut -d: -f3; }

# column NAME: of the only row of a tool's table that is about this transaction.
column() { awk -F '\t' -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
  { gsub(/ +$/, "", $at[name]); print $at[name] }' "$out"; }

# How many rows a table has below its heading.
rows() { tail -n +2 "$out" | wc -l; }

shows_an_open_one() {
  kafka-topics.sh "${server[@]}" --create --topic "$topic" --partitions 1
  seq 5 | kafka-console-producer.sh "${server[@]}" --topic "$topic"
  open_transaction "$id" 10

  "${transactions[@]}" list --transactional-id-pattern "$id.*" >"$out"
  same "$id Ongoing" "$(column TransactionalId) $(column TransactionState)"
  "${transactions[@]}" list --transactional-id-pattern 'no-such.*' >"$out"
  same 0 "$(rows)"
  "${transactions[@]}" list --duration-filter 600000 >"$out"
  same 0 "$(rows)"
  "${transactions[@]}" describe --transactional-id "$id" >"$out"
  same "Ongoing 120000 $topic-0" "$(column TransactionState) $(column TransactionTimeoutMs) \
$(column TopicPartitions)"
  local producer_id
  producer_id=$(column ProducerId)
  "${transactions[@]}" describe-producers --topic "$topic" --partition 0 >"$out"
  # That of the console producer, which is idempotent, is there, too.
  same 5 "$(awk -v id="$producer_id" '$1 == id { print $NF }' "$out")"
  # It is open, and its coordinator says so: it does not hang.
  "${transactions[@]}" find-hanging --topic "$topic" --max-transaction-timeout 0 >"$out"
  same 0 "$(rows)"

  [ "$(end_offset)" -ge 10 ]
  committed 5
  kafka-console-consumer.sh "${server[@]}" --topic "$topic" --from-beginning --max-messages 10 \
    --isolation-level read_uncommitted >"$out"
  same 10 "$(wc -l <"$out")"
  kill -9 "$producer"
}

# committed COUNT: a reader of committed records finds so many, and waits for more.
committed() {
  kafka-console-consumer.sh "${server[@]}" --topic "$topic" --from-beginning \
    --isolation-level read_committed --timeout-ms 3000 >"$out" 2>"$out.err" || :
  same "$1" "$(wc -l <"$out")"
}

aborts_it() {
  "${transactions[@]}" abort --topic "$topic" --partition 0 --start-offset 5
  "${transactions[@]}" describe-producers --topic "$topic" --partition 0 >"$out"
  same 0 "$(awk 'NR > 1 && $NF != "None"' "$out" | wc -l)"
  echo after | kafka-console-producer.sh "${server[@]}" --topic "$topic"
  committed 6
  fails "${transactions[@]}" abort --topic "$topic" --partition 0 --start-offset 5
  # Its coordinator was not asked, and knows it still.
  "${transactions[@]}" describe --transactional-id "$id" >"$out"
  same Ongoing "$(column TransactionState)"
  "${transactions[@]}" forceTerminateTransaction --transactionalId "$id"
  ended() {
    "${transactions[@]}" describe --transactional-id "$id" >"$out"
    [ "$(column TransactionState)" = Empty ]
  }
  until_ok 30 ended
  fails "${transactions[@]}" describe --transactional-id no-such-id
  expect 'because the ID could not be found' "$out"
}

fails() { ! "$@" >"$out" 2>&1; }

quorum() {
  kafka-metadata-quorum.sh "${server[@]}" describe --status >"$out"
  expect 'ClusterId:' "$out"
  same 1 "$(awk '$1 == "LeaderId:" { print $2 }' "$out")"
  kafka-metadata-quorum.sh "${server[@]}" describe --replication >"$out"
  same 'NodeId Leader' "$(awk 'NR == 1 { print $1 } $NF == "Leader" || $(NF - 1) == "Leader" {
    print "Leader" }' "$out" | paste -sd ' ')"
}

elections() {
  local elect=(kafka-leader-election.sh "${server[@]}" --election-type)
  "${elect[@]}" preferred --topic "$topic" --partition 0 >"$out" 2>&1
  expect "Valid replica already elected for partitions $topic-0" "$out"
  "${elect[@]}" unclean --topic "$topic" --partition 0 >"$out" 2>&1
  expect "Valid replica already elected for partitions $topic-0" "$out"
  "${elect[@]}" preferred --all-topic-partitions >"$out" 2>&1
  fails "${elect[@]}" preferred --topic no-such-topic --partition 0
  expect UnknownTopicOrPartitionException "$out"
}

check 'kafka-transactions and readers, while one is open' shows_an_open_one
check 'kafka-transactions: abort, forceTerminateTransaction' aborts_it
check 'kafka-metadata-quorum' quorum
check 'kafka-leader-election' elections
