#!/usr/bin/env bash
# Starts a whole cluster on this machine, for trying: a controller of Apache Kafka and three brokers
# of Corelane with one shard each. It is gone when the script ends (Ctrl-C).
#
#   tuning/try-cluster.sh [FOLDER]     fresh, in a folder that is removed at the end; or in FOLDER,
#                                      which is kept, and used again the next time
#
#   --brokers N    so many brokers [default: 3]
#   --port PORT    they listen from PORT on, the controller on PORT + 100 [default: 19092]
#   --no-wait      end, and stop all of it, as soon as it has been ready once (for tests)
#
# One machine, one disk and one controller: three replicas here survive no more than the end of a
# process. docs/cluster.md tells how a cluster is set up that survives more.
#
# The program is $CORELANE, or in the PATH, or else in target/release or target/debug beside it.
# Apache Kafka comes from Maven by tests/kafka/kafka.sh, once (a JDK 17 and Maven; 100 MB).
# Exit code: 0 stopped by Ctrl-C or SIGTERM, 1 something did not start or ended by itself, 2 wrong call.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")/.." && pwd)
kafka=$here/tests/kafka
die() { echo "try-cluster.sh: $*" >&2; exit 1; }
wrong() { echo "try-cluster.sh: $* (see --help)" >&2; exit 2; }

brokers=3 port=19092 folder='' wait=yes
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    --brokers | --port)
      [[ ${2:-} =~ ^[0-9]{1,5}$ ]] || wrong "$1 wants a number"
      case $1 in --brokers) brokers=$2 ;; --port) port=$2 ;; esac
      shift ;;
    --no-wait) wait='' ;;
    -*) wrong "no such option: $1" ;;
    *) [ -z "$folder" ] || wrong 'one folder at the most'; folder=$1 ;;
  esac
  shift
done
if [ "$brokers" -lt 1 ] || [ "$brokers" -gt 9 ]; then wrong '--brokers wants 1 to 9'; fi
controller_port=$((port + 100))
[ "$controller_port" -lt 65536 ] || wrong '--port is too large'

target=${CARGO_TARGET_DIR:-$here/target}
if [ -n "${CORELANE:-}" ]; then
  program=$CORELANE
  { [ -f "$program" ] && [ -x "$program" ]; } || die "CORELANE=$program is no program"
elif ! program=$(command -v corelane); then
  for program in "$target"/{release,debug}/corelane ''; do
    [ ! -x "$program" ] || break
  done
  [ -n "$program" ] || die "there is no corelane in the PATH or in $target: cargo build --release"
fi
command -v java >/dev/null || die 'there is no java: a JDK 17 is needed for the controller'

kept=$folder
if [ -n "$kept" ]; then
  mkdir -p "$folder"
else
  # Not in /tmp, which often has no direct I/O.
  mkdir -p "$target"
  folder=$(mktemp -d "$target/try-cluster.XXXXXX")
fi
folder=$(cd "$folder" && pwd)

controller='' running=()
# Brokers first: they tell the controller that they go.
# shellcheck disable=SC2317  # the trap below calls it
stop() {
  trap '' INT TERM EXIT
  end "${running[@]}"
  [ -z "$controller" ] || end "$controller"
  [ -n "$kept" ] || rm -rf "$folder"
}

# end PID...: asks processes to stop, and waits for that, 30 s at the most. One that was killed
# before, as this script says one may, is no fault.
# shellcheck disable=SC2317  # as above
end() {
  local pid waited
  for pid in "$@"; do
    if kill -0 "$pid" 2>/dev/null; then kill "$pid"; fi
  done
  for pid in "$@"; do
    for ((waited = 0; waited < 300; waited++)); do
      kill -0 "$pid" 2>/dev/null || continue 2
      sleep 0.1
    done
    echo "try-cluster.sh: process $pid does not stop: killed" >&2
    kill -9 "$pid"
  done
}
trap stop EXIT
trap 'exit 0' INT TERM

# until_said LOG PID WORDS: waits for the words in a log, as long as the process runs.
until_said() {
  local waited
  for ((waited = 0; waited < 1200; waited++)); do
    ! grep -q "$3" "$1" || return 0
    kill -0 "$2" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$1" >&2
  die "it did not start; $1 ends above"
}

# In a session of its own none of them gets the Ctrl-C: all are stopped in order instead.
# background LOG COMMAND...: starts it; its process id is in $!.
background() {
  local log=$1
  shift
  : >"$log"
  setsid "$@" >"$log" 2>&1 </dev/null &
}

jvm=(-Xms64m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xlog:disable
  -Djava.awt.headless=true -Dkafka.log.level=INFO
  "-Dlog4j2.configurationFile=$kafka/log4j2.properties")
classes=$("$kafka/kafka.sh" classpath)

cat >"$folder/controller.properties" <<END
process.roles=controller
node.id=100
listeners=CONTROLLER://127.0.0.1:$controller_port
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:$controller_port
log.dirs=$folder/controller
default.replication.factor=$((brokers < 3 ? brokers : 3))
END
if [ ! -e "$folder/controller/meta.properties" ]; then
  id=$(java "${jvm[@]}" -cp "$classes" kafka.tools.StorageTool random-uuid 2>"$folder/format.log")
  java "${jvm[@]}" -cp "$classes" kafka.tools.StorageTool format --standalone -t "$id" \
    -c "$folder/controller.properties" >"$folder/format.log" 2>&1 ||
    { cat "$folder/format.log" >&2; die "could not format $folder/controller"; }
fi
id=$(sed -n 's/^cluster\.id=//p' "$folder/controller/meta.properties")
background "$folder/controller.log" java "${jvm[@]}" -cp "$classes" kafka.Kafka \
  "$folder/controller.properties"
controller=$!
until_said "$folder/controller.log" "$controller" 'Kafka Server started'

addresses=''
for ((node = 1; node <= brokers; node++)); do
  own=$((port + node - 1)) file=$folder/broker-$node.properties
  cat >"$file" <<END
process.roles=broker
node.id=$node
controller.quorum.bootstrap.servers=127.0.0.1:$controller_port
listeners=PLAINTEXT://127.0.0.1:$own
log.dirs=$folder/broker-$node
corelane.shards=1
offsets.topic.replication.factor=$((brokers < 3 ? brokers : 3))
transaction.state.log.replication.factor=$((brokers < 3 ? brokers : 3))
transaction.state.log.min.isr=$((brokers < 3 ? 1 : 2))
END
  "$program" format --ignore-formatted --cluster-id "$id" --config "$file" >>"$folder/format.log" 2>&1 ||
    { tail -n 5 "$folder/format.log" >&2; die "could not format broker $node"; }
  background "$folder/broker-$node.log" "$program" serve --config "$file"
  running+=($!)
  addresses+=${addresses:+,}127.0.0.1:$own
done
for ((node = 1; node <= brokers; node++)); do
  until_said "$folder/broker-$node.log" "${running[node - 1]}" 'corelane ready'
done

cat <<END
a cluster for trying, and for nothing else: all of it is on this machine and its one disk

  bootstrap   $addresses
  controller  127.0.0.1:$controller_port (Apache Kafka), cluster id $id
  folder      $folder${kept:+ (kept)}
  processes   brokers ${running[*]}, controller $controller
  tools       $kafka/kafka.sh tools    prints the folder of Kafka's own

try      kill -9 ${running[0]}    and see that producers and consumers go on
stop     Ctrl-C here, or: kill $$
END
[ -n "$wait" ] || exit 0

# Until it is told to stop: a broker may be killed, that is what it is for; the controller not.
while kill -0 "$controller" 2>/dev/null; do
  sleep 1 &
  # A signal ends the wait, and the script by its trap.
  wait $!
done
die "the controller ended by itself, see $folder/controller.log"
