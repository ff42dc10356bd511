package main

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A member of the group that is named as the topic, once it has partitions.
func (a *admin) join(more ...kgo.Opt) *kgo.Client {
	joined := make(chan struct{}, 1)
	opts := append([]kgo.Opt{
		kgo.ConsumerGroup(a.topic), kgo.ConsumeTopics(a.topic), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
			if len(parts) > 0 {
				joined <- struct{}{}
			}
		}),
	}, more...)
	cl, err := client(opts...)
	a.none("a member", err)
	select {
	case <-joined:
	case <-a.ctx.Done():
		a.none("a member has partitions", a.ctx.Err())
	}
	return cl
}

func (a *admin) groups() {
	a.createTopic(2, nil)
	a.fill(2, 10, time.Now())
	a.classicGroup()
	a.offsetsOfGroup()
	a.consumerGroup()
	group, err := a.DeleteGroup(a.ctx, a.topic)
	a.none("DeleteGroup", errors.Join(err, group.Err))
	group, err = a.DeleteGroup(a.ctx, a.topic)
	a.is("a group that is gone", errors.Join(err, group.Err), kerr.GroupIDNotFound)
}

func (a *admin) listed(types ...string) kadm.ListedGroup {
	found, err := a.ListGroupsByType(a.ctx, types)
	a.none("ListGroupsByType", err)
	return found[a.topic]
}

func (a *admin) classicGroup() {
	cl := a.join()
	found, err := a.DescribeGroups(a.ctx, a.topic)
	a.none("DescribeGroups", errors.Join(err, found.Error()))
	group := found[a.topic]
	a.same("state", group.State, "Stable")
	a.same("members", len(group.Members), 1)
	assigned := group.AssignedPartitions()
	a.same("partitions of the member", assigned.Lookup(a.topic, 0) && assigned.Lookup(a.topic, 1), true)
	a.same("type", a.listed("classic").GroupType, "classic")
	a.same("not of another type", a.listed("consumer").Group, "")
	where := a.FindGroupCoordinators(a.ctx, a.topic)
	a.none("FindGroupCoordinators", where.Error())
	a.same("coordinator", where[a.topic].NodeID, group.Coordinator.NodeID)
	refused, err := a.DeleteGroup(a.ctx, a.topic)
	a.is("a group with a member", errors.Join(err, refused.Err), kerr.NonEmptyGroup)
	cl.Close()
	found, err = a.DescribeGroups(a.ctx, a.topic)
	a.none("DescribeGroups", errors.Join(err, found.Error()))
	a.same("state without a member", found[a.topic].State, "Empty")
}

func (a *admin) offsetsOfGroup() {
	var offsets kadm.Offsets
	offsets.AddOffset(a.topic, 0, 4, -1)
	offsets.AddOffset(a.topic, 1, 7, -1)
	a.none("CommitAllOffsets", a.CommitAllOffsets(a.ctx, a.topic, offsets))
	found, err := a.FetchOffsets(a.ctx, a.topic)
	a.none("FetchOffsets", errors.Join(err, found.Error()))
	one, _ := found.Lookup(a.topic, 1)
	a.same("committed offset", one.At, int64(7))
	many := a.FetchManyOffsets(a.ctx, a.topic, a.topic+"-other")
	a.none("FetchManyOffsets", many.Error())
	a.same("groups with offsets", len(many[a.topic].Fetched[a.topic]), 2)
	lags, err := a.Lag(a.ctx, a.topic)
	a.none("Lag", errors.Join(err, lags.Error()))
	lag := lags[a.topic]
	a.same("lag", lag.Lag.Total(), int64(9))
	set := kadm.TopicsSet{}
	set.Add(a.topic, 0)
	gone, err := a.DeleteOffsets(a.ctx, a.topic, set)
	a.none("DeleteOffsets", errors.Join(err, gone.Error()))
	found, err = a.FetchOffsetsForTopics(a.ctx, a.topic, a.topic)
	a.none("FetchOffsetsForTopics", errors.Join(err, found.Error()))
	one, _ = found.Lookup(a.topic, 0)
	a.same("an offset that was deleted", one.At, int64(-1))
	two, _ := found.Lookup(a.topic, 1)
	a.same("an offset that was left", two.At, int64(7))
}

func (a *admin) consumerGroup() {
	cl := a.join(kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer()))
	found, err := a.DescribeConsumerGroups(a.ctx, a.topic)
	a.none("DescribeConsumerGroups", errors.Join(err, found.Error()))
	group := found[a.topic]
	a.same("assignor", group.AssignorName, "range")
	a.same("members", len(group.Members), 1)
	a.same("type", a.listed("consumer").GroupType, "consumer")
	cl.Close()
	found, err = a.DescribeConsumerGroups(a.ctx, a.topic)
	a.none("DescribeConsumerGroups", errors.Join(err, found.Error()))
	a.same("members that are left", len(found[a.topic].Members), 0)
}

// The last stable offset of partition 1.
func (a *admin) lastStable() int64 {
	found, err := a.ListCommittedOffsets(a.ctx, a.topic)
	a.none("ListCommittedOffsets", errors.Join(err, found.Error()))
	at, _ := found.Lookup(a.topic, 1)
	return at.Offset
}

func (a *admin) transactions() {
	a.createTopic(2, nil)
	cl, err := client(kgo.TransactionalID(a.topic))
	a.none("a producer", err)
	defer cl.Close()
	a.none("BeginTransaction", cl.BeginTransaction())
	sent := cl.ProduceSync(a.ctx, &kgo.Record{Topic: a.topic, Partition: 1, Value: []byte("open")})
	a.none("ProduceSync", sent.FirstErr())
	id, _, err := cl.ProducerID(a.ctx)
	a.none("ProducerID", err)
	state := func() string {
		found, err := a.DescribeTransactions(a.ctx, a.topic)
		a.none("DescribeTransactions", errors.Join(err, found[a.topic].Err))
		a.same("producer of the transaction", found[a.topic].ProducerID, id)
		return found[a.topic].State
	}
	a.same("state", state(), "Ongoing")
	open, err := a.ListTransactions(a.ctx, []int64{id}, []string{"Ongoing"})
	a.none("ListTransactions", err)
	a.same("transactions of the producer", len(open), 1)
	open, err = a.ListTransactionsByTxPattern(a.ctx, nil, nil, a.topic+".*")
	a.none("ListTransactionsByTxPattern", err)
	a.same("transactions of the pattern", len(open), 1)
	where := a.FindTxnCoordinators(a.ctx, a.topic)
	a.none("FindTxnCoordinators", where.Error())
	a.same("coordinator", where[a.topic].NodeID, open[a.topic].Coordinator)
	set := kadm.TopicsSet{}
	set.Add(a.topic, 1)
	active, err := a.DescribeProducers(a.ctx, set)
	a.none("DescribeProducers", err)
	producer := active[a.topic].Partitions[1].ActiveProducers[id]
	a.same("where the transaction begins", producer.CurrentTxnStartOffset, int64(0))
	a.same("last stable offset", a.lastStable(), int64(0))
	a.none("EndTransaction", cl.EndTransaction(a.ctx, kgo.TryCommit))
	// The markers are written behind the answer.
	for a.ctx.Err() == nil && a.lastStable() == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	a.same("last stable offset after the commit", a.lastStable(), int64(2))
	a.same("state after the commit", state(), "CompleteCommit")
}
