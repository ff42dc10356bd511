// franz-go, driven by lines of JSON: one request a line in, one answer a line out. See
// `with_franz_go.py`, which asks. Or, until it is killed:
//
//	member GROUP TOPIC INSTANCE          a member of a group
//	session GROUP SOURCE TARGET ID       reads, processes and writes in transactions
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// How long anything that is asked for may take.
const patience = 30 * time.Second

// What is asked; the fields that a request has no use for are empty.
type request struct {
	Do         string
	Topic      string
	Partition  int32
	Partitions int32
	Records    []record
	Settings   map[string]any
	Count      int
	Group      *string
	Committed  bool
	Ms         int64
	WaitMs     int `json:"wait_ms"`
	Name       string
	TimeoutMs  int `json:"timeout_ms"`
	Producer   int
	Step       string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "member" {
		member(os.Args[2], os.Args[3], os.Args[4])
	}
	if len(os.Args) > 1 && os.Args[1] == "session" {
		session(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	}
	in := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var ask request
		if err := json.Unmarshal(line, &ask); err != nil {
			panic(err)
		}
		ok, err := answer(&ask)
		if err != nil {
			fmt.Fprintln(os.Stderr, ask.Do, err)
			out.Encode(map[string]any{"error": err.Error()})
			continue
		}
		out.Encode(map[string]any{"ok": ok})
	}
}

func answer(ask *request) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch ask.Do {
	case "nodes":
		return nodes(ctx)
	case "create":
		return create(ctx, ask.Topic, ask.Partitions)
	case "produce":
		return produce(ctx, ask.Topic, ask.Records, ask.Settings)
	case "consume":
		return consume(ctx, ask)
	case "ends":
		return ends(ctx, ask.Topic, ask.Partition)
	case "time":
		return offsetForTime(ctx, ask.Topic, ask.Partition, ask.Ms)
	case "follow":
		return follow(ask)
	case "next":
		return next(time.Duration(ask.Ms) * time.Millisecond)
	case "longest":
		return longestFetchMs(), nil
	case "close":
		return closeFollower()
	case "transactional":
		return transactional(ctx, ask.Name, ask.TimeoutMs)
	case "transact":
		return transact(ctx, ask.Producer, ask.Step)
	case "send":
		return send(ctx, producers[ask.Producer], ask.Topic, ask.Records)
	case "admin":
		return administer(ctx, ask.Name, ask.Topic)
	}
	return nil, fmt.Errorf("nothing is called %q", ask.Do)
}

// A client of the broker under test. What a story did not ask for is franz-go's default.
func client(more ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(settings(), more...)...)
}

func settings() []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(os.Getenv("BOOTSTRAP")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}
}
