#!/usr/bin/env bash
# The seven steps that Kafka's newcomers type, word for word except the address.
. "$(dirname "$0")/lib.sh"
client tutorial "$KAFKA_VERSION"
lines='This is my first event
This is my second event
Größe: 10 µm, 漢字'

creates() {
  kafka-topics.sh --create --topic my_topic --partitions 3 --replication-factor 1 \
    --bootstrap-server "$BOOTSTRAP" | tee "$SCRATCH/out"
  expect 'Created topic my_topic.' "$SCRATCH/out"
}

lists_and_describes() {
  kafka-topics.sh --list --bootstrap-server "$BOOTSTRAP" >"$SCRATCH/out"
  same my_topic "$(grep '^my_' "$SCRATCH/out")"
  kafka-topics.sh --describe --topic my_topic --bootstrap-server "$BOOTSTRAP" >"$SCRATCH/out"
  expect 'PartitionCount: 3' "$SCRATCH/out"
  expect 'ReplicationFactor: 1' "$SCRATCH/out"
  same 3 "$(grep -c 'Partition: [0-2].Leader: [1-9]' "$SCRATCH/out")"
  # Every node leads one partition or more.
  same "$NODES" "$(grep -o 'Leader: [0-9]*' "$SCRATCH/out" | sort -u | wc -l)"
}

alters() {
  kafka-topics.sh --alter --topic my_topic --partitions 6 --bootstrap-server "$BOOTSTRAP"
  kafka-topics.sh --describe --topic my_topic --bootstrap-server "$BOOTSTRAP" >"$SCRATCH/out"
  expect 'PartitionCount: 6' "$SCRATCH/out"
}

produces() {
  kafka-console-producer.sh --topic my_topic --bootstrap-server "$BOOTSTRAP" <<<"$lines"
}

consumes() {
  kafka-console-consumer.sh --topic my_topic --from-beginning --max-messages 3 \
    --bootstrap-server "$BOOTSTRAP" >"$SCRATCH/out"
  same "$lines" "$(cat "$SCRATCH/out")"
}

consumes_as_two_members() {
  local i
  for i in 1 2; do
    kafka-console-consumer.sh --topic my_topic --from-beginning --group my_group \
      --bootstrap-server "$BOOTSTRAP" >"$SCRATCH/member$i" 2>"$SCRATCH/member$i.err" &
  done
  until_ok 30 group_of_two my_group 3
  seq 60 | sed 's/.*/key&:value&/' | kafka-console-producer.sh --topic my_topic \
    --property parse.key=true --property key.separator=: --bootstrap-server "$BOOTSTRAP"
  until_ok 30 lines_in 63 "$SCRATCH"/member[12]
  # All lines once, and each member had a part of them.
  same "$(printf '%s\n' "$lines" "$(seq 60 | sed 's,^,value,')" | sort)" \
    "$(sort "$SCRATCH"/member[12])"
  lines_in 1 "$SCRATCH/member1"
  lines_in 1 "$SCRATCH/member2"
}

deletes() {
  kafka-topics.sh --delete --topic my_topic --bootstrap-server "$BOOTSTRAP"
  kafka-topics.sh --list --bootstrap-server "$BOOTSTRAP" >"$SCRATCH/out"
  ! grep -q '^my_topic$' "$SCRATCH/out"
}

says_hello_from_python() {
  # The topic is made by its first use. The consumer comes first: it reads what is new.
  timeout 60 "$PYTHON" - >"$SCRATCH/hello" <<-END &
	from kafka import KafkaConsumer
	for message in KafkaConsumer('my_topic', bootstrap_servers=['$BOOTSTRAP']):
	    print(message.value, flush=True)
	END
  hello() {
    "$PYTHON" - <<-END
	from kafka import KafkaProducer
	producer = KafkaProducer(bootstrap_servers=['$BOOTSTRAP'])
	producer.send('my_topic', b'Hello, Kafka!')
	producer.flush()
	END
    grep -qF "b'Hello, Kafka!'" "$SCRATCH/hello"
  }
  until_ok 30 hello
}

check 'create a topic' creates
check 'list and describe it' lists_and_describes
check 'alter its partitions' alters
check 'type lines into the console producer' produces
check 'read them from the beginning' consumes
check 'read as two members of one group' consumes_as_two_members
check 'delete the topic' deletes
check 'kafka-python: the first use makes the topic' says_hello_from_python
