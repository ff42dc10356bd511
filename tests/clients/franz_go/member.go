package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// How a client is a member of a group, by the protocol that the environment asks for.
func groupOpts(group, topic string) []kgo.Opt {
	opts := []kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic)}
	if os.Getenv("GROUP_PROTOCOL") == "consumer" {
		return append(opts, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	}
	return append(opts, kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(500*time.Millisecond))
}

// The partitions that a member has now; they change by parts, and are said as a whole.
type assigned struct {
	lock  sync.Mutex
	parts []int32
}

func (a *assigned) add(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	a.change(func() {
		for _, parts := range added {
			a.parts = append(a.parts, parts...)
		}
	})
}

func (a *assigned) remove(_ context.Context, _ *kgo.Client, removed map[string][]int32) {
	a.change(func() {
		for _, parts := range removed {
			a.parts = slices.DeleteFunc(a.parts, func(it int32) bool { return slices.Contains(parts, it) })
		}
	})
}

func (a *assigned) change(how func()) {
	a.lock.Lock()
	defer a.lock.Unlock()
	before := len(a.parts)
	how()
	if len(a.parts) == before {
		return
	}
	words := []string{"assigned"}
	for _, part := range a.parts {
		words = append(words, fmt.Sprint(part))
	}
	say(strings.Join(words, " "))
}

// A member of a group, which commits what it has said, until it is killed.
func member(group, topic, instance string) {
	var parts assigned
	opts := append(groupOpts(group, topic),
		kgo.DisableAutoCommit(),
		// Nothing is taken away between a record and its commit.
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(parts.add),
		kgo.OnPartitionsRevoked(parts.remove),
		kgo.OnPartitionsLost(parts.remove),
	)
	if instance != "" {
		opts = append(opts, kgo.InstanceID(instance))
	}
	cl, err := client(opts...)
	if err != nil {
		panic(err)
	}
	for {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		fetches := cl.PollFetches(ctx)
		if err := failed(fetches); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			say(fmt.Sprintf("record %d %d %s", r.Partition, r.Offset, r.Value))
		})
		if fetches.NumRecords() > 0 {
			if err := cl.CommitUncommittedOffsets(ctx); err != nil {
				fmt.Fprintln(os.Stderr, "commit:", err)
			}
		}
		cl.AllowRebalance()
		cancel()
	}
}

// One whole line, at once.
func say(line string) { os.Stdout.WriteString(line + "\n") }
