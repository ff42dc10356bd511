#!/usr/bin/env bash
# Apache Kafka's own command-line tools.
. "$(dirname "$0")/lib.sh"
client java-tools "$KAFKA_VERSION"
server=(--bootstrap-server "$BOOTSTRAP")
topic=tools-$RUN
group=tools-group-$RUN
out=$SCRATCH/out

fails() { ! "$@" >"$out" 2>&1; }

topics() {
  kafka-topics.sh "${server[@]}" --create --topic "$topic" --partitions 4 \
    --config retention.ms=86400000
  fails kafka-topics.sh "${server[@]}" --create --topic "$topic"
  expect "TopicExistsException: Topic '$topic' already exists." "$out"
  kafka-topics.sh "${server[@]}" --create --topic "$topic" --if-not-exists
  fails kafka-topics.sh "${server[@]}" --create --topic 'not a name'
  expect 'InvalidTopicException' "$out"
  fails kafka-topics.sh "${server[@]}" --create --topic "$topic-3" --replication-factor 3
  expect 'InvalidReplicationFactorException' "$out"
  fails kafka-topics.sh "${server[@]}" --create --topic "$topic-c" --config no.such=1
  expect 'InvalidConfigurationException' "$out"
  fails kafka-topics.sh "${server[@]}" --alter --topic "$topic" --partitions 2
  expect 'InvalidPartitionsException' "$out"
  fails kafka-topics.sh "${server[@]}" --describe --topic no-such-topic
  expect "Topic 'no-such-topic' does not exist as expected" "$out"
  kafka-topics.sh "${server[@]}" --describe --topic "$topic" >"$out"
  expect 'retention.ms=86400000' "$out"
}

console() {
  seq 100 | sed 's/.*/h:v&\tk&\tv&/' | tee "$SCRATCH/lines" |
    kafka-console-producer.sh "${server[@]}" --topic "$topic" --reader-property parse.key=true \
      --reader-property parse.headers=true --compression-codec zstd
  # KIP-848 groups are not asked for: the console consumer's default is the classic protocol.
  kafka-console-consumer.sh "${server[@]}" --topic "$topic" --from-beginning \
    --max-messages 100 --group "$group" --formatter-property print.key=true \
    --formatter-property print.headers=true >"$out"
  same "$(sort "$SCRATCH/lines")" "$(sort "$out")"
}

describes_groups() {
  kafka-consumer-groups.sh "${server[@]}" --list >"$out"
  expect "$group" "$out"
  kafka-consumer-groups.sh "${server[@]}" --describe --group "$group" >"$out"
  # GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG ...
  same '4 100 100 0' "$(awk -v t="$topic" '$2 == t { n++; at += $4; end += $5; lag += $6 }
    END { print n, at, end, lag }' "$out")"
  kafka-consumer-groups.sh "${server[@]}" --describe --group "$group" --state >"$out"
  expect 'Empty' "$out"
  kafka-groups.sh "${server[@]}" --list >"$out"
  same 'Classic consumer' "$(awk -v g="$group" '$1 == g { print $2, $3 }' "$out")"
}

describes_a_live_group() {
  kafka-console-consumer.sh "${server[@]}" --topic "$topic" --group "$group-live" \
    >/dev/null 2>"$SCRATCH/live.err" &
  live() {
    kafka-consumer-groups.sh "${server[@]}" --describe --group "$group-live" --members \
      --verbose >"$out" 2>&1 && grep -qF "$topic:0,1,2,3" "$out"
  }
  until_ok 30 live
  kafka-consumer-groups.sh "${server[@]}" --describe --group "$group-live" --state >"$out"
  expect 'Stable' "$out"
  expect 'range' "$out"
  # Version 4.3 of this tool prints such errors and exits with 0.
  kafka-consumer-groups.sh "${server[@]}" --delete --group "$group-live" >"$out" 2>&1
  expect 'GroupNotEmptyException' "$out"
}

resets_offsets() {
  local reset=(kafka-consumer-groups.sh "${server[@]}" --group "$group" --topic "$topic"
    --reset-offsets --execute)
  new_offsets() { awk -v t="$topic" '$2 == t { sum += $4 } END { print sum }' "$out"; }
  "${reset[@]}" --to-earliest >"$out"
  same 0 "$(new_offsets)"
  "${reset[@]}" --shift-by 5 >"$out"
  same 20 "$(new_offsets)"
  "${reset[@]}" --to-datetime 2020-01-01T00:00:00.000 >"$out"
  same 0 "$(new_offsets)"
  "${reset[@]}" --to-latest >"$out"
  same 100 "$(new_offsets)"
  kafka-consumer-groups.sh "${server[@]}" --group "$group" --topic "$topic" --delete-offsets >"$out"
  same 4 "$(grep -c Successful "$out")"
}

deletes_groups() {
  kafka-consumer-groups.sh "${server[@]}" --delete --group "$group" >"$out"
  expect 'was successful' "$out"
  kafka-consumer-groups.sh "${server[@]}" --describe --group "$group" >"$out" 2>&1
  expect 'GroupIdNotFoundException' "$out"
}

topic_configs() {
  local entity=("${server[@]}" --entity-type topics --entity-name "$topic")
  kafka-configs.sh "${entity[@]}" --alter \
    --add-config 'retention.ms=123456,cleanup.policy=[compact,delete]'
  kafka-configs.sh "${entity[@]}" --describe >"$out"
  expect 'retention.ms=123456 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:' "$out"
  expect 'cleanup.policy=compact,delete' "$out"
  fails kafka-configs.sh "${entity[@]}" --alter --add-config retention.ms=soon
  expect 'Invalid value soon for configuration retention.ms' "$out"
  kafka-configs.sh "${entity[@]}" --alter --delete-config retention.ms,cleanup.policy
  kafka-configs.sh "${entity[@]}" --describe --all >"$out"
  expect 'cleanup.policy=delete sensitive=false synonyms={DEFAULT_CONFIG:' "$out"
  expect 'retention.ms=604800000' "$out"
}

broker_configs() {
  kafka-configs.sh "${server[@]}" --entity-type brokers --entity-name 1 --describe --all >"$out"
  expect 'auto.create.topics.enable=true' "$out"
  expect 'advertised.listeners=' "$out"
  kafka-configs.sh "${server[@]}" --entity-type brokers --entity-default --alter \
    --add-config log.retention.ms=7654321
  kafka-configs.sh "${server[@]}" --entity-type brokers --entity-default --describe >"$out"
  expect 'log.retention.ms=7654321' "$out"
  kafka-configs.sh "${server[@]}" --entity-type topics --entity-name "$topic" --describe --all \
    >"$out"
  expect 'retention.ms=7654321 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:log' "$out"
  kafka-configs.sh "${server[@]}" --entity-type brokers --entity-default --alter \
    --delete-config log.retention.ms
}

api_versions() {
  kafka-broker-api-versions.sh "${server[@]}" >"$out"
  same "$NODES" "$(grep -c '(id: [0-9]* rack: .*) -> ($' "$out")"
  expect 'Produce(0): 0 to 13 [usable: 13]' "$out"
  expect 'Fetch(1): 4 to 18 [usable: 18]' "$out"
  kafka-cluster.sh cluster-id "${server[@]}" >"$out"
  expect 'Cluster ID: ' "$out"
  kafka-cluster.sh list-endpoints "${server[@]}" >"$out"
  same "$NODES" "$(grep -c ' broker' "$out")"
}

get_offsets() {
  offsets() {
    kafka-get-offsets.sh "${server[@]}" --topic "$topic" "$@" |
      awk -F: '{ sum += $3 } END { print sum }'
  }
  same 100 "$(offsets)"
  same 0 "$(offsets --time earliest)"
  same 0 "$(offsets --time 0)"
  kafka-get-offsets.sh "${server[@]}" --topic "$topic" --time max-timestamp >"$out"
  lines_in 1 "$out"
}

delete_records() {
  cat >"$SCRATCH/delete.json" <<-END
	{"version": 1, "partitions": [{"topic": "$topic", "partition": 0, "offset": 10},
	                              {"topic": "$topic", "partition": 1, "offset": -1}]}
	END
  local end
  end=$(kafka-get-offsets.sh "${server[@]}" --topic-partitions "$topic:1" | cut -d: -f3)
  kafka-delete-records.sh "${server[@]}" --offset-json-file "$SCRATCH/delete.json" >"$out"
  expect "partition: $topic-0	low_watermark: 10" "$out"
  expect "partition: $topic-1	low_watermark: $end" "$out"
  kafka-get-offsets.sh "${server[@]}" --topic "$topic" --time earliest >"$out"
  same "$topic:0:10 $topic:1:$end $topic:2:0 $topic:3:0" "$(paste -sd ' ' "$out")"
}

log_dirs() {
  kafka-log-dirs.sh "${server[@]}" --describe --topic-list "$topic" >"$out"
  same 4 "$(tail -n 1 "$out" | grep -o "\"partition\":\"$topic-[0-3]\"" | sort -u | wc -l)"
  ! grep -q '"error":"' "$out"
}

perf_tests() {
  kafka-topics.sh "${server[@]}" --create --topic "$topic-perf" --partitions 4
  kafka-producer-perf-test.sh "${server[@]}" --topic "$topic-perf" --num-records 200000 \
    --record-size 100 --throughput -1 >"$out"
  expect '200000 records sent' "$out"
  kafka-consumer-perf-test.sh "${server[@]}" --topic "$topic-perf" --num-records 200000 >"$out"
  # start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, ...
  same 200000 "$(tail -n 1 "$out" | cut -d, -f5 | tr -d ' ')"
}

verifiable() {
  kafka-verifiable-producer.sh "${server[@]}" --topic "$topic-perf" --max-messages 1000 \
    --throughput -1 --acks -1 >"$out"
  expect '"sent":1000,"acked":1000' "$out"
}

check 'kafka-topics: create, alter, describe, and their errors' topics
check 'console producer and consumer with keys and headers' console
check 'kafka-consumer-groups: list, describe' describes_groups
check 'kafka-consumer-groups: members and state of a live group' describes_a_live_group
check 'kafka-consumer-groups: reset and delete offsets' resets_offsets
check 'kafka-consumer-groups: delete' deletes_groups
check 'kafka-configs: topics' topic_configs
check 'kafka-configs: brokers' broker_configs
check 'kafka-broker-api-versions, kafka-cluster' api_versions
check 'kafka-get-offsets' get_offsets
check 'kafka-delete-records' delete_records
check 'kafka-log-dirs' log_dirs
check 'kafka-producer-perf-test and kafka-consumer-perf-test' perf_tests
check 'kafka-verifiable-producer' verifiable
