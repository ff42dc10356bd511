package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Transactional producers, by the numbers that they were given.
var producers []*kgo.Client

// A producer that has told the broker of its transactional id; its number.
func transactional(ctx context.Context, name string, timeoutMs int) (any, error) {
	timeout := time.Duration(timeoutMs) * time.Millisecond
	cl, err := client(kgo.TransactionalID(name), kgo.TransactionTimeout(timeout))
	if err != nil {
		return nil, err
	}
	if _, _, err := cl.ProducerID(ctx); err != nil {
		return nil, err
	}
	producers = append(producers, cl)
	return len(producers) - 1, nil
}

func transact(ctx context.Context, number int, step string) (any, error) {
	cl := producers[number]
	switch step {
	case "begin":
		return true, cl.BeginTransaction()
	case "commit":
		return true, cl.EndTransaction(ctx, kgo.TryCommit)
	case "abort":
		return true, cl.EndTransaction(ctx, kgo.TryAbort)
	case "close":
		cl.Close()
		return true, nil
	}
	return nil, fmt.Errorf("no step is called %q", step)
}

func asBytes(value any) ([]byte, error) {
	text, is := value.(string)
	if !is {
		return nil, nil
	}
	return base64.StdEncoding.DecodeString(text)
}

// Moves records from a topic to another in transactions, every third of which it aborts, and says
// how many are moved, until it is killed.
func session(group, source, target, id string) {
	opts := append(settings(), groupOpts(group, source)...)
	opts = append(opts,
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(5*time.Second),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)
	moving, err := kgo.NewGroupTransactSession(opts...)
	if err != nil {
		panic(err)
	}
	for turn := 1; ; turn++ {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		moved, err := moveSome(ctx, moving, target, turn%3 != 0)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded):
		case err != nil:
			panic(err)
		case moved > 0:
			say(fmt.Sprintf("moved %d", moved))
		}
	}
}

// One transaction; how many records it has moved, none where it was aborted.
func moveSome(ctx context.Context, moving *kgo.GroupTransactSession, target string, keep bool) (int, error) {
	fetches := moving.PollRecords(ctx, 50)
	if err := failed(fetches); err != nil {
		return 0, err
	}
	if fetches.NumRecords() == 0 {
		return 0, nil
	}
	if err := moving.Begin(); err != nil {
		return 0, err
	}
	var sending kgo.FirstErrPromise
	fetches.EachRecord(func(r *kgo.Record) {
		moved := &kgo.Record{Topic: target, Partition: r.Partition, Value: r.Value}
		moving.Produce(ctx, moved, sending.Promise())
	})
	commit := kgo.TransactionEndTry(sending.Err() == nil && keep)
	committed, err := moving.End(ctx, commit)
	if !committed {
		return 0, err
	}
	return fetches.NumRecords(), err
}
