//! Pure: which acks are in force: the device's word, the broker's settings and the topics'.

use std::collections::BTreeMap;

use crate::base::config::BrokerConfig;
use crate::base::metrics::{SampleValue, Snapshot};
use crate::host::device::DeviceFacts;
use crate::host::guarantee::{AckClass, guarantee};
use crate::metadata::image::{Image, ResourceKind};

/// The setting that classes of acks come from.
const SETTING: &str = "flush.messages";

/// `flush.messages` of topics that have one of their own, by name.
pub fn own_flushes(config: &BrokerConfig, image: &Image) -> Vec<(String, u64)> {
    let names = image.configs.names(ResourceKind::Topic).into_iter();
    let own = names.filter_map(|name| {
        let overrides = image.configs.topic(name);
        overrides.get(SETTING)?;
        let resolved = config.topic_config(overrides).ok()?;
        Some((name.to_string(), resolved.flush_messages))
    });
    own.collect()
}

/// Adds to a snapshot what the data devices are, and how many topics have which guarantee.
pub fn export(devices: &[DeviceFacts], config: &BrokerConfig, image: &Image, to: &mut Snapshot) {
    let default = AckClass::of(config.topic_defaults.flush_messages);
    let mut topics = BTreeMap::from([(AckClass::Flushed, 0), (AckClass::Written, 0)]);
    let own = own_flushes(config, image);
    *topics.entry(default).or_default() += image.topics.len().saturating_sub(own.len());
    for (_, messages) in &own {
        *topics.entry(AckClass::of(*messages)).or_default() += 1;
    }
    for device in devices {
        let labels = device_labels(device);
        let help = "What the data device says of itself.";
        to.push(
            "corelane_data_device_info",
            help,
            labels,
            SampleValue::Gauge(1.0),
        );
        for (class, count) in &topics {
            let guarantee = guarantee(device, *class);
            let labels = vec![
                ("device", device.name().to_owned()),
                ("ack", class.word().to_owned()),
                ("survives", guarantee.survives.word().to_owned()),
                ("default", (*class == default).to_string()),
            ];
            let help = "Topics by what an ack waits for, and what acked records survive.";
            let value = SampleValue::Gauge(*count as f64);
            to.push("corelane_ack_topics", help, labels, value);
        }
    }
}

fn device_labels(device: &DeviceFacts) -> Vec<(&'static str, String)> {
    let disk = device.disk();
    let of = |word: fn(&crate::host::device::Layer) -> String| disk.map(word).unwrap_or_default();
    let cache = match device.layers.first().and_then(|top| top.volatile_cache) {
        Some(true) => "write back",
        Some(false) => "write through",
        None => "unknown",
    };
    vec![
        ("device", device.name().to_owned()),
        ("model", of(|disk| disk.model.clone())),
        ("file_system", device.fs().to_owned()),
        ("write_cache", cache.to_owned()),
        ("fua", of(|disk| disk.fua.to_string())),
        ("kernel", device.kernel.clone()),
    ]
}

/// Comment lines for the settings' page: what an ack means.
pub fn comments(devices: &[DeviceFacts], config: &BrokerConfig, image: &Image) -> String {
    let own = own_flushes(config, image);
    let lines = devices.iter().flat_map(|device| {
        let acks = crate::host::report::acks(device, config.topic_defaults.flush_messages, &own);
        acks.into_iter()
            .map(|acks| format!("# {}: {}\n", device.name(), acks.sentence()))
    });
    lines.collect()
}
