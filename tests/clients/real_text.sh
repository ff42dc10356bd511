#!/usr/bin/env bash
# Real text: every line that `apt-cache dumpavail` prints, under the name of its package, through
# kcat and through the Java console producer, and back through a group of two members.
. "$(dirname "$0")/lib.sh"
client real-text "$KAFKA_VERSION, $(kcat -V | sed -n "s/Version \([0-9.]*\).*/kcat \1/p")"
text=$SCRATCH/text
export LC_ALL=C

# The lines of each key in their order: what has to be the same before and after.
by_key() { sort -s -t $'\t' -k1,1; }

writes_the_text() {
  apt-cache dumpavail | awk '/^Package: / { key = $2 } { print key "\t" $0 }' >"$text"
  # A machine without package lists would test nothing.
  lines_in 100000 "$text"
  by_key <"$text" | sha256sum >"$text.sha256"
}

# goes_through TOPIC PRODUCE MEMBER: two members read while the text is written. They print
# partition, offset, key and line of every record.
goes_through() {
  local topic=$1
  kafka-topics.sh --bootstrap-server "$BOOTSTRAP" --create --topic "$topic" --partitions 8
  "$3" "$topic" >"$text.1" 2>"$text.1.err" &
  "$3" "$topic" >"$text.2" 2>"$text.2.err" &
  until_ok 30 group_of_two "$topic" 4
  "$2" "$topic" <"$text"
  until_ok 120 lines_in "$(wc -l <"$text")" "$text".[12]
  lines_in 1 "$text.1"
  lines_in 1 "$text.2"
  sed 's/^Partition:\([0-9]*\)\tOffset:/\1\t/' "$text".[12] |
    sort -t $'\t' -k1,1n -k2,2n >"$text.back"
  # Eight partitions had a part, and offsets have no gap and no repetition.
  same 8 "$(awk -F '\t' '$2 != next_offset[$1]++ { print "not in order:", $0 }
    END { print length(next_offset) }' "$text.back")"
  same "$(wc -l <"$text")" "$(wc -l <"$text.back")"
  same "$(cat "$text.sha256")" "$(cut -f3- "$text.back" | by_key | sha256sum)"
  rm "$text.back" "$text".[12]
}

kcat_produces() {
  kcat -b "$BOOTSTRAP" -P -t "$1" -K $'\t' -z lz4 -X enable.idempotence=true
}

kcat_consumes() {
  exec kcat -b "$BOOTSTRAP" -q -u -G "$1" -X auto.offset.reset=earliest \
    -f '%p\t%o\t%k\t%s\n' "$1"
}

java_produces() {
  kafka-console-producer.sh --bootstrap-server "$BOOTSTRAP" --topic "$1" \
    --reader-property parse.key=true
}

java_consumes() {
  exec kafka-console-consumer.sh --bootstrap-server "$BOOTSTRAP" --topic "$1" --group "$1" \
    --from-beginning --formatter-property print.partition=true \
    --formatter-property print.offset=true --formatter-property print.key=true
}

check 'the text' writes_the_text
check "$(wc -l <"$text") lines: kcat, then two Java console consumers" \
  goes_through "text-kcat-$RUN" kcat_produces java_consumes
check "$(wc -l <"$text") lines: Java console producer, then two kcat members" \
  goes_through "text-java-$RUN" java_produces kcat_consumes
