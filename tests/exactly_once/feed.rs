//! Drives: the producer of what is copied. No value is sent twice: one that was not acked may be
//! there or not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use corelane::wire::codec::messages::ProduceRequest;
use corelane_testing::Client;
use corelane_testing::batches::batch;
use corelane_testing::requests::produce;

use crate::PARTITIONS;
use crate::copies::IN;
use crate::site::Nodes;

/// Records in a batch.
const COUNT: usize = 10;
const VERSION: i16 = 9;
/// Time between two rounds of batches.
const PAUSE: Duration = Duration::from_millis(100);

/// Sends records until `stop` is set; how many were acked.
pub fn feed(nodes: &Nodes, stop: &AtomicBool) -> usize {
    let (mut acked, mut next) = (0, 0_u64);
    let mut clients: Vec<Option<Client>> = (0..PARTITIONS).map(|_| None).collect();
    while !stop.load(Ordering::Relaxed) {
        for partition in 0..PARTITIONS {
            let values: Vec<String> = (0..COUNT)
                .map(|at| format!("{}", next + at as u64))
                .collect();
            next += COUNT as u64;
            let values: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
            let request = produce(IN, partition, -1, batch(&values));
            let client = &mut clients[partition as usize];
            if send(nodes, partition, client, &request).is_some() {
                acked += COUNT;
            }
        }
        thread::sleep(PAUSE);
    }
    acked
}

fn send(
    nodes: &Nodes,
    partition: i32,
    client: &mut Option<Client>,
    request: &ProduceRequest,
) -> Option<()> {
    let connected = match client.take() {
        Some(client) => Some(client),
        None => nodes.leader(IN, partition),
    };
    let mut open = connected?;
    match open.try_call(VERSION, request) {
        Ok(answer) if answer.responses[0].partition_responses[0].error_code == 0 => {
            *client = Some(open);
            Some(())
        }
        _ => None,
    }
}
