package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A record as the stories have it; bytes are text in base 64.
type record struct {
	Partition int32    `json:"partition"`
	Offset    int64    `json:"offset"`
	Timestamp *int64   `json:"timestamp"`
	Key       []byte   `json:"key"`
	Value     []byte   `json:"value"`
	Headers   [][2]any `json:"headers"`
}

func asJSON(r *kgo.Record) record {
	ms := r.Timestamp.UnixMilli()
	headers := [][2]any{}
	for _, header := range r.Headers {
		headers = append(headers, [2]any{header.Key, header.Value})
	}
	return record{r.Partition, r.Offset, &ms, r.Key, r.Value, headers}
}

func asRecord(topic string, r record) (*kgo.Record, error) {
	sent := &kgo.Record{Topic: topic, Partition: r.Partition, Key: r.Key, Value: r.Value}
	if r.Timestamp != nil {
		sent.Timestamp = time.UnixMilli(*r.Timestamp)
	}
	for _, header := range r.Headers {
		value, err := asBytes(header[1])
		if err != nil {
			return nil, err
		}
		sent.Headers = append(sent.Headers, kgo.RecordHeader{Key: header[0].(string), Value: value})
	}
	return sent, nil
}

// Sends the records with these settings, which have the names that Java has for them.
func produce(ctx context.Context, topic string, records []record, asked map[string]any) (any, error) {
	opts := []kgo.Opt{kgo.ProducerBatchMaxBytes(int32(asked["max.request.size"].(float64)))}
	switch asked["acks"] {
	case "all":
		opts = append(opts, kgo.RequiredAcks(kgo.AllISRAcks()))
	case 1.0:
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()))
	case 0.0:
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()))
	}
	if asked["enable.idempotence"] == false {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	codecs := map[any]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	opts = append(opts, kgo.ProducerBatchCompression(codecs[asked["compression.type"]]))
	cl, err := client(opts...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	return send(ctx, cl, topic, records)
}

// Sends the records; their offsets once all are acked.
func send(ctx context.Context, cl *kgo.Client, topic string, records []record) (any, error) {
	var sent []*kgo.Record
	for _, r := range records {
		one, err := asRecord(topic, r)
		if err != nil {
			return nil, err
		}
		sent = append(sent, one)
	}
	// The results come in the order of the acks.
	if err := cl.ProduceSync(ctx, sent...).FirstErr(); err != nil {
		return nil, err
	}
	offsets := []int64{}
	for _, one := range sent {
		offsets = append(offsets, one.Offset)
	}
	return offsets, nil
}

func isolation(committed bool) kgo.Opt {
	if committed {
		return kgo.FetchIsolationLevel(kgo.ReadCommitted())
	}
	return kgo.FetchIsolationLevel(kgo.ReadUncommitted())
}

// So many records from the beginning; of a group from where it is, and then it is further.
func consume(ctx context.Context, ask *request) (any, error) {
	opts := []kgo.Opt{kgo.ConsumeTopics(ask.Topic), isolation(ask.Committed)}
	if ask.Group != nil {
		opts = append(opts, kgo.ConsumerGroup(*ask.Group), kgo.DisableAutoCommit())
	}
	cl, err := client(opts...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	got := []record{}
	for len(got) < ask.Count && ctx.Err() == nil {
		fetches := cl.PollFetches(ctx)
		if err := failed(fetches); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) { got = append(got, asJSON(r)) })
	}
	if ask.Group != nil {
		return got, cl.CommitUncommittedOffsets(ctx)
	}
	return got, nil
}

// The first error of a poll that is not that its time was up.
func failed(fetches kgo.Fetches) error {
	for _, one := range fetches.Errors() {
		if one.Err != context.DeadlineExceeded {
			return fmt.Errorf("fetch of %s-%d: %w", one.Topic, one.Partition, one.Err)
		}
	}
	return nil
}

var (
	follower *kgo.Client
	longest  longestFetch
)

// The longest time that a Fetch took, in microseconds.
type longestFetch struct{ us atomic.Int64 }

func (l *longestFetch) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, took kgo.BrokerE2E) {
	const fetch = 1
	us := took.DurationE2E().Microseconds()
	if key == fetch && took.Err() == nil && us > l.us.Load() {
		l.us.Store(us)
	}
}

func follow(ask *request) (any, error) {
	longest.us.Store(0)
	end := kgo.NewOffset().AtEnd()
	places := map[string]map[int32]kgo.Offset{ask.Topic: {ask.Partition: end}}
	var err error
	follower, err = client(
		kgo.ConsumePartitions(places), isolation(ask.Committed), kgo.WithHooks(&longest),
		kgo.FetchMaxWait(time.Duration(ask.WaitMs)*time.Millisecond),
	)
	return true, err
}

func next(wait time.Duration) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	fetches := follower.PollRecords(ctx, 1)
	for _, r := range fetches.Records() {
		return asJSON(r), nil
	}
	return nil, failed(fetches)
}

func longestFetchMs() float64 { return float64(longest.us.Load()) / 1000 }

func closeFollower() (any, error) {
	follower.Close()
	return true, nil
}
