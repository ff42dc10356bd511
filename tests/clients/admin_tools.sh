#!/usr/bin/env bash
# Apache Kafka's own command-line tools for quotas, features and metrics of clients.
. "$(dirname "$0")/lib.sh"
client admin-tools "$KAFKA_VERSION"
server=(--bootstrap-server "$BOOTSTRAP")
out=$SCRATCH/out

fails() { ! "$@" >"$out" 2>&1; }

quotas() {
  local entity=("${server[@]}" --entity-type clients --entity-name "client-$RUN")
  kafka-configs.sh "${entity[@]}" --alter \
    --add-config 'producer_byte_rate=1024,request_percentage=12.5'
  kafka-configs.sh "${entity[@]}" --describe >"$out"
  expect 'producer_byte_rate=1024.0' "$out"
  expect 'request_percentage=12.5' "$out"
  kafka-configs.sh "${server[@]}" --entity-type ips --entity-default --alter \
    --add-config connection_creation_rate=7
  kafka-configs.sh "${server[@]}" --entity-type ips --describe >"$out"
  expect 'connection_creation_rate=7.0' "$out"
  fails kafka-configs.sh "${entity[@]}" --alter --add-config producer_byte_rate=0
  expect 'must be greater than 0' "$out"
  kafka-configs.sh "${entity[@]}" --alter \
    --delete-config producer_byte_rate,request_percentage
  kafka-configs.sh "${server[@]}" --entity-type ips --entity-default --alter \
    --delete-config connection_creation_rate
  kafka-configs.sh "${entity[@]}" --describe >"$out"
  ! grep -q producer_byte_rate "$out"
}

features() {
  kafka-features.sh "${server[@]}" describe >"$out"
  expect 'Feature: transaction.version' "$out"
  kafka-features.sh "${server[@]}" downgrade --feature transaction.version=1 --dry-run >"$out"
  expect 'transaction.version can be downgraded to 1' "$out"
  kafka-features.sh "${server[@]}" downgrade --feature transaction.version=1 >"$out"
  expect 'transaction.version was downgraded to 1' "$out"
  kafka-features.sh "${server[@]}" upgrade --feature transaction.version=2 >"$out"
  expect 'transaction.version was upgraded to 2' "$out"
  fails kafka-features.sh "${server[@]}" upgrade --feature group.version=9
  expect 'Could not upgrade group.version to 9' "$out"
}

client_metrics() {
  local name=metrics-$RUN
  kafka-client-metrics.sh "${server[@]}" --alter --name "$name" --interval 1000 \
    --metrics org.apache.kafka.consumer. --match 'client_software_name=apache-kafka-java'
  kafka-client-metrics.sh "${server[@]}" --list >"$out"
  expect "$name" "$out"
  kafka-client-metrics.sh "${server[@]}" --describe --name "$name" >"$out"
  expect 'interval.ms=1000' "$out"
  fails kafka-client-metrics.sh "${server[@]}" --alter --name "$name" --interval 1
  expect 'interval must be between 100 and 3600000' "$out"
  kafka-client-metrics.sh "${server[@]}" --delete --name "$name"
  kafka-client-metrics.sh "${server[@]}" --list >"$out"
  ! grep -q "$name" "$out"
}

moves() {
  local topic=moves-$RUN last plan=$SCRATCH/plan.json
  kafka-topics.sh "${server[@]}" --create --topic "$topic" --partitions 2
  # Of a broker alone these are shards of one process, which hand over their files.
  last=$(kafka-broker-api-versions.sh "${server[@]}" | grep -oE '\(id: [0-9]+' | tr -dc '0-9\n' |
    sort -n | tail -1)
  seq 1 1000 | kafka-console-producer.sh "${server[@]}" --topic "$topic"
  printf '{"version":1,"partitions":[{"topic":"%s","partition":0,"replicas":[%s]},
    {"topic":"%s","partition":1,"replicas":[%s]}]}' "$topic" "$last" "$topic" "$last" >"$plan"
  kafka-reassign-partitions.sh "${server[@]}" --reassignment-json-file "$plan" --execute
  for _ in $(seq 30); do
    kafka-reassign-partitions.sh "${server[@]}" --reassignment-json-file "$plan" --verify >"$out"
    ! grep -q 'still in progress' "$out" || continue
    break
  done
  expect "$topic-0 is completed" "$out"
  expect "$topic-1 is completed" "$out"
  kafka-topics.sh "${server[@]}" --describe --topic "$topic" >"$out"
  [ "$(grep -c "Leader: $last" "$out")" = 2 ]
  kafka-console-consumer.sh "${server[@]}" --topic "$topic" --from-beginning --max-messages 1000 \
    >"$out" 2>/dev/null
  [ "$(sort -n "$out" | uniq | wc -l)" = 1000 ]
}

# On a broker of its own, which has two folders.
folders() {
  [ -n "${CORELANE:-}" ] || return 0
  local topic=folders-$RUN port one=$SCRATCH/one two=$SCRATCH/two plan=$SCRATCH/plan.json pid
  port=$(free_port)
  "$CORELANE" serve --data-dir "$one,$two" --port "$port" --shards 1 --admin-port 0 \
    >"$SCRATCH/folders.out" 2>&1 &
  pid=$!
  local server=(--bootstrap-server "127.0.0.1:$port")
  until_ok 30 grep -q '^corelane ready' "$SCRATCH/folders.out"
  kafka-topics.sh "${server[@]}" --create --topic "$topic" --partitions 1
  seq 1 1000 | kafka-console-producer.sh "${server[@]}" --topic "$topic"
  for folder in "$two" "$one"; do
    printf '{"version":1,"partitions":[{"topic":"%s","partition":0,"replicas":[1],
      "log_dirs":["%s/shard-0"]}]}' "$topic" "$folder" >"$plan"
    kafka-reassign-partitions.sh "${server[@]}" --reassignment-json-file "$plan" --execute \
      --replica-alter-log-dirs-throttle 100000000
    for _ in $(seq 30); do
      kafka-reassign-partitions.sh "${server[@]}" --reassignment-json-file "$plan" --verify >"$out"
      ! grep -q 'still in progress' "$out" || continue
      break
    done
    expect "Reassignment of replica $topic-0-1 completed successfully" "$out"
    [ -d "$folder/shard-0/$topic-0" ]
  done
  kafka-console-consumer.sh "${server[@]}" --topic "$topic" --from-beginning --max-messages 1000 \
    >"$out" 2>/dev/null
  [ "$(sort -n "$out" | uniq | wc -l)" = 1000 ]
  kill "$pid"
  wait "$pid"
}

check 'kafka-reassign-partitions: a replica moves to another folder' folders
check 'kafka-reassign-partitions: a topic moves to the last node' moves
check 'kafka-configs: quotas of clients and addresses' quotas
check 'kafka-features: describe, downgrade, upgrade' features
check 'kafka-client-metrics: alter, list, describe, delete' client_metrics
