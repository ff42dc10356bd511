package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What is found to be otherwise than it should be; the first of it counts.
type findings struct{ first error }

// Notes where what was found is not what was wanted.
func (f *findings) same(what string, found, wanted any) {
	if f.first == nil && !reflect.DeepEqual(found, wanted) {
		f.first = fmt.Errorf("%s: found %v, wanted %v", what, found, wanted)
	}
}

// Notes an error.
func (f *findings) none(what string, err error) {
	if f.first == nil && err != nil {
		f.first = fmt.Errorf("%s: %w", what, err)
	}
}

// Notes where an error is not this one.
func (f *findings) is(what string, err error, wanted *kerr.Error) {
	if f.first == nil && !errors.Is(err, wanted) {
		f.first = fmt.Errorf("%s: found %v, wanted %v", what, err, wanted)
	}
}

// One run of what kadm has, on a topic that is not there yet.
type admin struct {
	findings
	*kadm.Client
	ctx   context.Context
	kafka *kgo.Client
	topic string
}

func administer(ctx context.Context, part, topic string) (any, error) {
	cl, err := client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	a := &admin{Client: kadm.NewClient(cl), ctx: ctx, kafka: cl, topic: topic}
	parts := map[string]func(){
		"topics": a.topics, "configs": a.configs, "offsets": a.offsets, "groups": a.groups,
		"transactions": a.transactions, "cluster": a.cluster,
	}
	parts[part]()
	return true, a.first
}

func nodes(ctx context.Context) (any, error) {
	cl, err := client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	brokers, err := kadm.NewClient(cl).ListBrokers(ctx)
	return brokers.NodeIDs(), err
}

func create(ctx context.Context, topic string, partitions int32) (any, error) {
	cl, err := client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	_, err = kadm.NewClient(cl).CreateTopic(ctx, partitions, 1, nil, topic)
	return true, err
}

func ends(ctx context.Context, topic string, partition int32) (any, error) {
	cl, err := client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	starts, err := kadm.NewClient(cl).ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	first, _ := starts.Lookup(topic, partition)
	end, _ := ends.Lookup(topic, partition)
	return [2]int64{first.Offset, end.Offset}, err
}

// The first offset of this time or later; kadm gives the end where there is none.
func offsetForTime(ctx context.Context, topic string, partition int32, ms int64) (any, error) {
	cl, err := client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	found, err := kadm.NewClient(cl).ListOffsetsAfterMilli(ctx, ms, topic)
	at, _ := found.Lookup(topic, partition)
	if at.Timestamp == -1 {
		return nil, err
	}
	return at.Offset, err
}

func (a *admin) createTopic(partitions int32, configs map[string]*string) {
	_, err := a.CreateTopic(a.ctx, partitions, 1, configs, a.topic)
	a.none("CreateTopic", err)
}

// Writes so many records to each of so many partitions, a millisecond apart from `from` on.
func (a *admin) fill(partitions, count int, from time.Time) {
	for i := range count {
		for partition := range partitions {
			record := &kgo.Record{
				Topic: a.topic, Partition: int32(partition), Value: []byte(strconv.Itoa(i)),
				Timestamp: from.Add(time.Duration(i) * time.Millisecond),
			}
			a.kafka.Produce(a.ctx, record, nil)
		}
	}
	a.none("Flush", a.kafka.Flush(a.ctx))
}

func (a *admin) topics() {
	// Under another name: a client remembers for a while that a topic is not there.
	idea := a.topic + "-idea"
	_, err := a.ValidateCreateTopics(a.ctx, 2, 1, nil, idea)
	a.none("ValidateCreateTopics", err)
	there, err := a.ListTopics(a.ctx, idea)
	a.none("ListTopics", err)
	a.is("a topic that was only validated", there[idea].Err, kerr.UnknownTopicOrPartition)
	a.createTopic(2, map[string]*string{"retention.ms": kadm.StringPtr("12345")})
	_, err = a.CreateTopic(a.ctx, 2, 1, nil, a.topic)
	a.is("the same topic again", err, kerr.TopicAlreadyExists)
	_, err = a.CreateTopic(a.ctx, 2, 9, nil, a.topic+"-wide")
	a.is("nine replicas", err, kerr.InvalidReplicationFactor)
	more, err := a.ValidateCreatePartitions(a.ctx, 1, a.topic)
	a.none("ValidateCreatePartitions", errors.Join(err, more.Error()))
	more, err = a.CreatePartitions(a.ctx, 1, a.topic)
	a.none("CreatePartitions", errors.Join(err, more.Error()))
	more, err = a.UpdatePartitions(a.ctx, 5, a.topic)
	a.none("UpdatePartitions", errors.Join(err, more.Error()))
	more, err = a.UpdatePartitions(a.ctx, 2, a.topic)
	a.none("UpdatePartitions to fewer", err)
	a.is("fewer partitions", more.Error(), kerr.InvalidPartitions)
	there, err = a.ListTopics(a.ctx, a.topic)
	a.none("ListTopics", err)
	a.same("partitions", len(there[a.topic].Partitions), 5)
	for _, partition := range there[a.topic].Partitions {
		a.same("replicas in sync", partition.ISR, []int32{partition.Leader})
	}
	gone, err := a.DeleteTopic(a.ctx, a.topic)
	a.none("DeleteTopic", errors.Join(err, gone.Err))
	gone, err = a.DeleteTopic(a.ctx, a.topic)
	a.is("a topic that is gone", errors.Join(err, gone.Err), kerr.UnknownTopicOrPartition)
}

func (a *admin) configs() {
	a.createTopic(1, map[string]*string{"retention.ms": kadm.StringPtr("12345")})
	value := func(name string) string {
		found, err := a.DescribeTopicConfigs(a.ctx, a.topic)
		a.none("DescribeTopicConfigs", err)
		on, err := found.On(a.topic, nil)
		a.none("configs of the topic", errors.Join(err, on.Err))
		for _, config := range on.Configs {
			if config.Key == name {
				return config.MaybeValue()
			}
		}
		return "missing"
	}
	a.same("retention.ms", value("retention.ms"), "12345")
	set := []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "segment.bytes", Value: kadm.StringPtr("1048576")},
		{Op: kadm.DeleteConfig, Name: "retention.ms"},
		{Op: kadm.AppendConfig, Name: "cleanup.policy", Value: kadm.StringPtr("compact")},
	}
	valid, err := a.ValidateAlterTopicConfigs(a.ctx, set, a.topic)
	a.none("ValidateAlterTopicConfigs", err)
	a.none("what was validated", valid[0].Err)
	a.same("retention.ms after a validation", value("retention.ms"), "12345")
	altered, err := a.AlterTopicConfigs(a.ctx, set, a.topic)
	a.none("AlterTopicConfigs", err)
	a.none("what was altered", altered[0].Err)
	a.same("segment.bytes", value("segment.bytes"), "1048576")
	a.same("retention.ms, the default", value("retention.ms"), "604800000")
	a.same("cleanup.policy", value("cleanup.policy"), "delete,compact")
	bad := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "segment.bytes", Value: kadm.StringPtr("x")}}
	altered, err = a.AlterTopicConfigs(a.ctx, bad, a.topic)
	a.none("AlterTopicConfigs", err)
	a.is("a number that is none", altered[0].Err, kerr.InvalidConfig)
	whole := []kadm.AlterConfig{{Name: "retention.ms", Value: kadm.StringPtr("777")}}
	altered, err = a.AlterTopicConfigsState(a.ctx, whole, a.topic)
	a.none("AlterTopicConfigsState", err)
	a.none("what was replaced", altered[0].Err)
	a.same("retention.ms, replaced", value("retention.ms"), "777")
	a.same("cleanup.policy, the default", value("cleanup.policy"), "delete")
	brokers, err := a.ListBrokers(a.ctx)
	a.none("ListBrokers", err)
	found, err := a.DescribeBrokerConfigs(a.ctx, brokers.NodeIDs()...)
	a.none("DescribeBrokerConfigs", err)
	a.same("brokers with configs", len(found), len(brokers))
	resources, err := a.ListConfigResources(a.ctx, kadm.ConfigResourceTopic)
	a.none("ListConfigResources", errors.Join(err, resources.Err))
	a.same("the topic is a resource", slices.Contains(resources.Names(), a.topic), true)
}

func (a *admin) offsets() {
	a.createTopic(2, nil)
	from := time.UnixMilli(1_700_000_000_000)
	a.fill(2, 10, from)
	at := func(what string, found kadm.ListedOffsets, err error) int64 {
		a.none(what, errors.Join(err, found.Error()))
		offset, _ := found.Lookup(a.topic, 1)
		return offset.Offset
	}
	found, err := a.ListStartOffsets(a.ctx, a.topic)
	a.same("start", at("ListStartOffsets", found, err), int64(0))
	found, err = a.ListEndOffsets(a.ctx, a.topic)
	a.same("end", at("ListEndOffsets", found, err), int64(10))
	found, err = a.ListCommittedOffsets(a.ctx, a.topic)
	a.same("committed", at("ListCommittedOffsets", found, err), int64(10))
	found, err = a.ListMaxTimestampOffsets(a.ctx, a.topic)
	a.same("newest", at("ListMaxTimestampOffsets", found, err), int64(9))
	found, err = a.ListOffsetsAfterMilli(a.ctx, from.UnixMilli()+4, a.topic)
	a.same("by time", at("ListOffsetsAfterMilli", found, err), int64(4))
	found, err = a.ListLocalLogStartOffsets(a.ctx, a.topic)
	a.same("local start", at("ListLocalLogStartOffsets", found, err), int64(0))
	var before kadm.Offsets
	before.AddOffset(a.topic, 1, 3, -1)
	deleted, err := a.DeleteRecords(a.ctx, before)
	a.none("DeleteRecords", errors.Join(err, deleted.Error()))
	found, err = a.ListStartOffsets(a.ctx, a.topic)
	a.same("start after DeleteRecords", at("ListStartOffsets", found, err), int64(3))
	var epochs kadm.OffsetForLeaderEpochRequest
	epochs.Add(a.topic, 1, 0)
	told, err := a.OffsetForLeaderEpoch(a.ctx, epochs)
	a.none("OffsetForLeaderEpoch", err)
	a.same("end of epoch 0", told[a.topic][1].EndOffset, int64(10))
}

func (a *admin) cluster() {
	count, err := strconv.Atoi(os.Getenv("NODES"))
	a.none("NODES", err)
	a.createTopic(2, nil)
	a.fill(2, 10, time.Now())
	meta, err := a.BrokerMetadata(a.ctx)
	a.none("BrokerMetadata", err)
	a.same("brokers", len(meta.Brokers), count)
	versions, err := a.ApiVersions(a.ctx)
	a.none("ApiVersions", err)
	a.same("brokers that told their versions", len(versions), count)
	dirs, err := a.DescribeAllLogDirs(a.ctx, nil)
	a.none("DescribeAllLogDirs", err)
	a.same("brokers with log folders", len(dirs), count)
	var logs int
	dirs.Each(func(dir kadm.DescribedLogDir) {
		a.none("a log folder", dir.Err)
		for _, log := range dir.Topics[a.topic] {
			a.same("a log has bytes", log.Size > 0, true)
			logs++
		}
	})
	a.same("logs of the topic", logs, 2)
	set := kadm.TopicsSet{}
	set.Add(a.topic, 0, 1)
	elected, err := a.ElectLeaders(a.ctx, kadm.ElectPreferredReplica, set)
	a.none("ElectLeaders", err)
	for _, one := range elected[a.topic] {
		a.is("an election where the leader is the best", one.Err, kerr.ElectionNotNeeded)
	}
	moves, err := a.ListPartitionReassignments(a.ctx, set)
	a.none("ListPartitionReassignments", err)
	a.same("partitions that move", len(moves), 0)
}
