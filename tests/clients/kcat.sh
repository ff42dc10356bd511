#!/usr/bin/env bash
# kcat, from the distribution: an older librdkafka than the one of confluent-kafka.
. "$(dirname "$0")/lib.sh"
client kcat "$(kcat -V | sed -n 's/Version \([0-9.]*\).*\(librdkafka [0-9.]*\).*/\1 (\2)/p')"
topic=kcat-$RUN
out=$SCRATCH/out

produce() { kcat -b "$BOOTSTRAP" -P "$@"; }
consume() { kcat -b "$BOOTSTRAP" -C -q -e "$@"; }
create() {
  kafka-topics.sh --bootstrap-server "$BOOTSTRAP" --create --topic "$1" --partitions "$2"
}

lists() {
  create "$topic" 2
  kcat -b "$BOOTSTRAP" -L -J >"$out"
  "$PYTHON" - "$out" "$topic" "$NODES" <<-'END'
	import json, sys
	cluster = json.load(open(sys.argv[1]))
	assert len(cluster["brokers"]) == int(sys.argv[3]), cluster["brokers"]
	topics = {t["topic"]: t["partitions"] for t in cluster["topics"]}
	assert sorted(p["partition"] for p in topics[sys.argv[2]]) == [0, 1], topics
	END
}

kinds() {
  local t=$topic-kinds
  create "$t" 1
  printf 'k1|v1\nk2|\n|v3\n' | produce -t "$t" -K '|' -Z
  printf 'x' | produce -t "$t" -H a=1 -H a=2 -H b=
  consume -t "$t" -Z -f '%o %k %s %S %h\n' >"$out"
  same '0 k1 v1 2 
1 k2 NULL -1 
2 NULL v3 2 
3 NULL x 1 a=1,a=2,b=' "$(cat "$out")"
}

codecs() {
  local t=$topic-codecs codec lines
  create "$t" 1
  lines=$(seq 2000 | sed 's/$/ lane core lane core lane core/')
  for codec in none gzip snappy lz4 zstd; do
    produce -t "$t" -z "$codec" <<<"$lines"
  done
  consume -t "$t" | sha256sum >"$out"
  same "$(for codec in 1 2 3 4 5; do echo "$lines"; done | sha256sum)" "$(cat "$out")"
}

acks() {
  local t=$topic-acks
  create "$t" 1
  seq 100 | produce -t "$t" -X acks=0
  seq 101 200 | produce -t "$t" -X acks=1
  seq 201 300 | produce -t "$t" -X acks=all
  seq 301 1300 | produce -t "$t" -X enable.idempotence=true
  consume -t "$t" | sort -n >"$out"
  same "$(seq 1300)" "$(cat "$out")"
}

sizes() {
  local t=$topic-sizes largest=$((1048588 - 72))
  create "$t" 1
  large() { head -c "$1" /dev/zero | tr '\0' L; }
  large "$largest" >"$SCRATCH/largest"
  large $((largest + 1)) >"$SCRATCH/too-large"
  produce -t "$t" -X message.max.bytes=4000000 "$SCRATCH/largest"
  ! produce -t "$t" -X message.max.bytes=4000000 "$SCRATCH/too-large" 2>"$out"
  expect 'Broker: Message size too large' "$out"
  same "$largest" "$(consume -t "$t" -f '%S\n')"
}

times() {
  local t=$topic-times past
  create "$t" 1
  seq 10 | produce -t "$t"
  sleep 0.1
  past=$(date +%s%3N)
  sleep 0.1
  seq 11 20 | produce -t "$t"
  same "$(seq 11 20)" "$(consume -t "$t" -p 0 -o "s@$past")"
  same "$t [0] offset 10" "$(kcat -b "$BOOTSTRAP" -Q -t "$t:0:$past")"
  same "$(seq 18 20)" "$(consume -t "$t" -p 0 -o -3)"
}

empty() {
  create "$topic-empty" 1
  same '' "$(consume -t "$topic-empty")"
}

group() {
  local t=$topic-group
  read_as_group() {
    kcat -b "$BOOTSTRAP" -q -G "$t" -c "$1" -X auto.offset.reset=earliest "$t" | sort -n
  }
  create "$t" 4
  seq 1000 | produce -t "$t" -X batch.num.messages=10
  same "$(seq 1000)" "$(read_as_group 1000)"
  seq 1001 1010 | produce -t "$t"
  same "$(seq 1001 1010)" "$(read_as_group 10)"
}

waits() {
  local t=$topic-poll pid start
  create "$t" 1
  kcat -b "$BOOTSTRAP" -C -u -t "$t" -o end -c 1 -X fetch.wait.max.ms=20000 \
    -X debug=protocol >"$out" 2>"$out.err" &
  pid=$!
  until_ok 10 grep -q 'Sent FetchRequest' "$out.err"
  sleep 1.5
  same 1 "$(grep -c 'Sent FetchRequest' "$out.err")"
  start=${EPOCHREALTIME/[.,]/}
  echo wake | produce -t "$t"
  wait "$pid"
  same wake "$(cat "$out")"
  [ $((${EPOCHREALTIME/[.,]/} - start)) -lt 2000000 ]
}

check 'the metadata' lists
check 'keys, headers, null and empty values, one byte' kinds
check 'gzip, snappy, lz4, zstd and none' codecs
check 'acks 0, 1 and all, and an idempotent producer' acks
check 'the largest record, and the error for one byte more' sizes
check 'seek to time and to the last records' times
check 'an empty topic' empty
check 'a group, which goes on at its committed offset' group
check 'a long poll waits, and a new record wakes it' waits
