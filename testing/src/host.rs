//! Pure: the host that settings are resolved for where a test needs none in particular.

use corelane::base::config::HostFacts;

/// One core.
pub fn host_facts() -> HostFacts {
    HostFacts {
        name: "host".into(),
        cpus: 1,
        cores: 1,
    }
}
