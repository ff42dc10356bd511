#!/usr/bin/env bash
# Apache Kafka from its Maven artifacts: its command-line tools, and a real broker to compare with.
#
#   kafka.sh classpath                      print the class path (resolved once, then kept)
#   kafka.sh tools                          print a folder that holds kafka-topics.sh and the others
#   kafka.sh run CLASS [ARG]...             run a class of Kafka's with a small heap
#   kafka.sh start PORT DIR [NAME=VALUE]... start a broker on 127.0.0.1:PORT, its data in DIR
#   kafka.sh stop DIR                       stop the broker whose data is in DIR
#
# The broker is a single node with id 1, broker and controller in one process (the controller
# listens on PORT+1). DIR is formatted when it is new. DIR/server.log is its log. NAME=VALUE are
# server properties; they win over the ones written here. $KAFKA_BROKER_JVM are the broker's JVM
# options where those for tests, a small heap and a quick start, will not do, and
# $KAFKA_START_SECONDS how long its start may take where a minute will not do.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Class path and tools are kept apart per content of the files that they are made from.
stamp=$(cat "$here"/{pom.xml,tools.txt,log4j2.properties,kafka.sh,TelemetryReceiver.java} | sha256sum | cut -c1-12)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/corelane/kafka-$stamp

jvm=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xlog:disable -Djava.awt.headless=true
  "-Dlog4j2.configurationFile=$cache/log4j2.properties")

die() { echo "kafka.sh: $*" >&2; exit 1; }

# The tools were made, and Maven's local repository still holds the jars.
ready() {
  local jar
  [ -e "$cache/done" ] || return 1
  IFS=: read -r jar _ <"$cache/classpath"
  [ -e "$jar" ]
}

# Resolves the class path and writes the tools, once; safe to be called by several at a time.
prepare() {
  ready && return
  mkdir -p "$cache/tools"
  exec 9>"$cache/lock"
  flock 9
  ready && return
  mvn -B -q -ntp -f "$here/pom.xml" dependency:build-classpath \
    -DincludeScope=runtime -Dmdep.outputFile="$cache/classpath" >"$cache/mvn.log" 2>&1 ||
    { cat "$cache/mvn.log" >&2; die "maven could not resolve Kafka's artifacts"; }
  cp "$here/log4j2.properties" "$cache/"
  local name class path
  path=$(cat "$cache/classpath")
  javac -nowarn -cp "$path" -d "$cache/classes" "$here/TelemetryReceiver.java" \
    2>"$cache/javac.log" || { cat "$cache/javac.log" >&2; die "javac failed"; }
  while read -r name class; do
    case $name in '' | \#*) continue ;; esac
    printf '#!/bin/sh\nexec java -Xmx%s %s -cp %s %s "$@"\n' '"${KAFKA_HEAP:-256m}"' \
      "${jvm[*]} -XX:SharedArchiveFile=$cache/tools.jsa" "$path" "$class" \
      >"$cache/tools/$name.sh"
    chmod +x "$cache/tools/$name.sh"
  done <"$here/tools.txt"
  # The classes that most tools load, parsed once: a tool then starts in half the time. The
  # tool needs no broker for that, so there is none at this port.
  printf '%s=300\n' request.timeout.ms default.api.timeout.ms >"$cache/hurry.properties"
  java "${jvm[@]}" -XX:ArchiveClassesAtExit="$cache/tools.jsa" -cp "$path" \
    org.apache.kafka.tools.TopicCommand --list --bootstrap-server 127.0.0.1:1 \
    --command-config "$cache/hurry.properties" >"$cache/archive.log" 2>&1 || :
  touch "$cache/done"
  flock -u 9
}

run() {
  java "-Xmx${KAFKA_HEAP:-256m}" "${jvm[@]}" -cp "$(cat "$cache/classpath")" "$@"
}

# Writes DIR/server.properties: a single node whose internal topics have one replica.
properties() {
  local port=$1 dir=$2
  shift 2
  cat <<-END
	process.roles=broker,controller
	node.id=1
	listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
	advertised.listeners=PLAINTEXT://127.0.0.1:$port
	controller.listener.names=CONTROLLER
	controller.quorum.bootstrap.servers=127.0.0.1:$((port + 1))
	log.dirs=$dir/data
	num.partitions=1
	# Without it Kafka has no APIs about the metrics of clients.
	metric.reporters=TelemetryReceiver
	auto.create.topics.enable=true
	# One node cannot hold three copies.
	offsets.topic.replication.factor=1
	transaction.state.log.replication.factor=1
	transaction.state.log.min.isr=1
	share.coordinator.state.topic.replication.factor=1
	share.coordinator.state.topic.min.isr=1
	# Kafka waits 3 s for more members before a new group's first rebalance; the files that the
	# distribution ships set 0, as most people who try Kafka have it.
	group.initial.rebalance.delay.ms=0
	END
  printf '%s\n' "$@"
}

start() {
  [ $# -ge 2 ] || die "start needs PORT and DIR"
  local port=$1 dir=$2
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  [ -e "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null && die "$dir: a broker is running"
  properties "$port" "$dir" "${@:3}" >"$dir/server.properties"
  if [ ! -e "$dir/data/meta.properties" ]; then
    run kafka.tools.StorageTool format --standalone -t Q29yZWxhbmUtdGVzdHMtMQ \
      -c "$dir/server.properties" >"$dir/format.log" 2>&1 ||
      { cat "$dir/format.log" >&2; die "could not format $dir/data"; }
  fi
  : >"$dir/server.log"
  local options=(-Xms64m -Xmx512m "${jvm[@]}")
  [ -z "${KAFKA_BROKER_JVM:-}" ] ||
    read -ra options <<<"$KAFKA_BROKER_JVM -Dlog4j2.configurationFile=$cache/log4j2.properties"
  setsid nohup java "${options[@]}" -Dkafka.log.level=INFO \
    -cp "$(cat "$cache/classpath"):$cache/classes" kafka.Kafka "$dir/server.properties" \
    >"$dir/server.log" 2>&1 </dev/null 9>&- &
  local pid=$! waited
  echo "$pid" >"$dir/pid"
  for ((waited = 0; waited < 10 * ${KAFKA_START_SECONDS:-60}; waited++)); do
    grep -q 'Kafka Server started' "$dir/server.log" && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 40 "$dir/server.log" >&2
  stop "$dir"
  die "the broker on port $port did not start in time; its log ends above"
}

stop() {
  local pid waited
  [ -e "$1/pid" ] || die "$1: no broker was started there"
  pid=$(cat "$1/pid")
  rm "$1/pid"
  kill "$pid" 2>/dev/null || return 0
  for ((waited = 0; waited < 300; waited++)); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -9 "$pid"
}

verb=${1:-help}
[ $# -gt 0 ] && shift
case $verb in
  classpath) prepare && cat "$cache/classpath" && echo ;;
  tools) prepare && echo "$cache/tools" ;;
  run) prepare && run "$@" ;;
  start) prepare && start "$@" ;;
  stop) stop "$@" ;;
  *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" ;;
esac
