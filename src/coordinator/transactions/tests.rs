use std::cell::RefCell;
use std::time::Duration;

use super::*;
use crate::coordinator::record::transaction::TransactionState;
use crate::coordinator::runtime::tests::open;
use crate::io::disk::Disk;
use crate::io::runtime::Runtime;
use crate::io::sim::World;

/// Runs `story` on a simulated disk and in simulated time.
fn play<F: Future<Output = ()> + 'static>(
    world: &World,
    story: impl FnOnce(Disk, Runtime) -> F + 'static,
) {
    let disk = Disk::simulated(world.disk().clone());
    let runtime = disk.runtime().clone();
    world.run(story(disk, runtime));
}

/// Transactional ids on one partition, loaded.
async fn served(disk: &Disk, runtime: &Runtime) -> (Rc<Transactions>, Rc<Partition>) {
    let config = TransactionConfig::default();
    let transactions = Transactions::new(config, 1, &Budget::new(1 << 30));
    transactions.set_version(2);
    let partition = open(disk, 0).await;
    transactions.lead(vec![partition.clone()]);
    while transactions.describe("nosuch").await == Err(TransactionError::Loading) {
        runtime.sleep(Duration::from_millis(1)).await;
    }
    (Rc::new(transactions), partition)
}

async fn init(transactions: &Transactions, id: &str, fresh: ProducerId) -> Producer {
    let init = Init {
        id: id.into(),
        timeout_ms: 60_000,
        expected: None,
        fresh_id: None,
    };
    let fresh_id = async || Ok::<_, ()>(fresh);
    transactions.init(init, fresh_id).await.unwrap().unwrap()
}

async fn add(
    transactions: &Transactions,
    id: &str,
    producer: Producer,
) -> Result<(), TransactionError> {
    let partitions = vec![("t".into(), 0)];
    let added = transactions.verify_or_add(id, producer, partitions, false);
    added.await.map(|verdicts| assert_eq!(verdicts, [Ok(())]))
}

async fn commit(transactions: &Transactions, id: &str, producer: Producer) -> Producer {
    let end = End {
        id: id.into(),
        producer,
        committed: true,
        client_version: 2,
        fresh_id: None,
    };
    let none = async || Err::<ProducerId, ()>(());
    transactions.end(end, none).await.unwrap().unwrap()
}

#[test]
fn a_transaction_goes_from_its_producer_to_its_markers() {
    play(&World::new(1), |disk, runtime| async move {
        let (transactions, partition) = served(&disk, &runtime).await;
        let first = init(&transactions, "a", 7).await;
        assert_eq!(first, Producer { id: 7, epoch: 0 });
        let verify = transactions.verify_or_add("a", first, vec![("t".into(), 0)], true);
        assert_eq!(verify.await, Ok(vec![Err(TransactionError::Abortable)]));
        add(&transactions, "a", first).await.unwrap();
        let verify = transactions.verify_or_add("a", first, vec![("t".into(), 0)], true);
        assert_eq!(verify.await, Ok(vec![Ok(())]));

        // Markers wait until it is durable how the transaction ends.
        let handed_out = Rc::new(RefCell::new(None));
        let asking = runtime.spawn({
            let (transactions, handed_out) = (transactions.clone(), handed_out.clone());
            let partition = partition.clone();
            async move {
                let wanted = transactions.next_markers(0, None).await.unwrap();
                assert_eq!(partition.high_watermark(), partition.end_offset());
                *handed_out.borrow_mut() = Some(wanted);
            }
        });
        runtime.sleep(Duration::from_millis(1)).await;
        assert!(handed_out.borrow().is_none());
        let second = commit(&transactions, "a", first).await;
        assert_eq!(second, Producer { id: 7, epoch: 1 });
        asking.join().await;
        let wanted = handed_out.take().unwrap();
        let [markers] = &wanted.transactions[..] else {
            panic!("one transaction: {wanted:?}");
        };
        assert_eq!((markers.producer, markers.committed), (second, true));
        assert_eq!(transactions.coordinator_epoch("a"), Some(0));

        // The next transaction begins as soon as the markers are written.
        let waiting = runtime.spawn({
            let transactions = transactions.clone();
            async move { add(&transactions, "a", second).await }
        });
        runtime.sleep(Duration::from_millis(20)).await;
        let described = transactions.describe("a").await.unwrap();
        assert_eq!(described.state, TransactionState::PrepareCommit);
        assert!(!transactions.marked(markers, &markers.partitions).await);
        assert_eq!(waiting.join().await, Ok(()));
        let described = transactions.describe("a").await.unwrap();
        assert_eq!(described.state, TransactionState::Ongoing);
        assert_eq!(transactions.probe().committed.get(), 1);
        transactions.stop();
    });
}

#[test]
fn a_client_is_told_to_come_again_when_markers_take_long() {
    play(&World::new(1), |disk, runtime| async move {
        let (transactions, _) = served(&disk, &runtime).await;
        let first = init(&transactions, "a", 7).await;
        add(&transactions, "a", first).await.unwrap();
        let second = commit(&transactions, "a", first).await;
        let begun = runtime.now();
        let refused = add(&transactions, "a", second).await;
        assert_eq!(refused, Err(TransactionError::Concurrent));
        let waited = runtime.now().since(begun);
        let wait = Duration::from_millis(limits::TRANSACTION_WAIT_MS as u64);
        assert!(waited >= wait && waited < 2 * wait, "{waited:?}");
        transactions.stop();
    });
}

#[test]
fn what_was_decided_before_a_crash_is_handed_out_again() {
    let world = World::new(1);
    play(&world, |disk, runtime| async move {
        let (transactions, _) = served(&disk, &runtime).await;
        for (id, fresh) in [("a", 1), ("b", 2)] {
            let producer = init(&transactions, id, fresh).await;
            add(&transactions, id, producer).await.unwrap();
        }
        commit(&transactions, "b", Producer { id: 2, epoch: 0 }).await;
        transactions.stop();
    });
    let world = world.kill(2);
    play(&world, |disk, runtime| async move {
        let (transactions, _) = served(&disk, &runtime).await;
        let wanted = transactions.next_markers(0, None).await.unwrap();
        let ids: Vec<_> = wanted.transactions.iter().map(|it| &*it.id).collect();
        assert_eq!(ids, ["b"]);
        let partitions = &wanted.transactions[0].partitions;
        assert!(
            !transactions
                .marked(&wanted.transactions[0], partitions)
                .await
        );
        let listed = transactions.list_some(0, &Filter::default(), None).await;
        let states: Vec<_> = listed.unwrap().0.iter().map(|it| it.state).collect();
        let expected = [TransactionState::Ongoing, TransactionState::CompleteCommit];
        assert_eq!(states, expected);
        transactions.stop();
    });
}

#[test]
fn a_partition_that_goes_away_tells_all_who_wait() {
    play(&World::new(1), |disk, runtime| async move {
        let (transactions, partition) = served(&disk, &runtime).await;
        let first = init(&transactions, "a", 7).await;
        add(&transactions, "a", first).await.unwrap();
        let second = commit(&transactions, "a", first).await;
        let waiting = runtime.spawn({
            let transactions = transactions.clone();
            async move { add(&transactions, "a", second).await }
        });
        runtime.sleep(Duration::from_millis(5)).await;
        partition.close();
        transactions.stop();
        assert_eq!(waiting.join().await, Err(TransactionError::NotCoordinator));
        let asked = transactions.next_markers(0, None).await;
        assert_eq!(asked, Err(TransactionError::NotCoordinator));
        assert_eq!(transactions.coordinator_epoch("a"), None);
    });
}
