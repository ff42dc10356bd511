//! Pure: how the descriptors that a process may have are shared out.

/// Descriptors of the process itself: standard streams, locks, sockets that listen, and some for
/// what is open for a moment only.
const PROCESS: usize = 24;
/// Of each executor: its rings and what wakes it, and the files that its blocking threads have
/// open for a moment.
const EXECUTOR: usize = 28;
/// Connections to the admin pages that are taken whatever clients do.
const ADMIN: usize = 8;
/// Data files that may be open at the least.
const FILES_MIN: usize = 64;
/// Connections for each shard that there may always be.
const SOCKETS_MIN: usize = 8;
/// Below this a start warns: Kafka's own documentation asks for 100,000.
const FEW: usize = 4096;

/// How the descriptors of a process are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    limit: usize,
    own: usize,
    shards: usize,
}

impl Plan {
    /// The plan for a process that may have `limit` descriptors and runs so many shards beside
    /// its controller.
    pub fn new(limit: usize, shards: usize) -> Plan {
        let own = PROCESS + EXECUTOR * (shards + 1) + ADMIN;
        Plan { limit, own, shards }
    }

    /// How many there are in all.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The least with which a broker can serve.
    pub fn least(&self) -> usize {
        self.own + FILES_MIN + SOCKETS_MIN * self.shards
    }

    /// Kept for data files while `open` of them are open: a quarter of all, or what is open and a
    /// quarter more.
    pub fn kept_for_files(&self, open: usize) -> usize {
        let wanted = open + open / 4 + FILES_MIN / 2;
        wanted.max(self.limit / 4).max(FILES_MIN)
    }

    /// Most connections while `open` data files are open; a few there may always be.
    pub fn sockets_max(&self, open: usize) -> usize {
        let taken = self.own.saturating_add(self.kept_for_files(open));
        let least = SOCKETS_MIN * self.shards;
        self.limit.saturating_sub(taken).max(least)
    }

    /// Whether the data files that are open leave no descriptors for a few more.
    pub fn are_files_many(&self, open: usize, sockets: usize) -> bool {
        self.own + open + sockets + FILES_MIN / 2 > self.limit
    }

    /// Whether the limit is one that is met in practice.
    pub fn is_tight(&self, partitions: usize) -> bool {
        // A log that is written to has the segment of now open, and the one prepared for later.
        self.limit < FEW || self.kept_for_files(0) < 2 * partitions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_descriptors_however_many_connections_there_are() {
        for (limit, shards, files) in [(256, 1, 10), (1024, 2, 40), (20_000, 4, 9_000)] {
            let plan = Plan::new(limit, shards);
            let most = plan.sockets_max(files);
            assert!(most > 0, "{limit}");
            assert!(limit - most >= plan.own + files + FILES_MIN / 2, "{limit}");
            assert!(!plan.are_files_many(files, most));
        }
        let plan = Plan::new(256, 1);
        assert_eq!(plan.sockets_max(0), 256 - 88 - 64);
        assert_eq!(plan.sockets_max(1_000), SOCKETS_MIN);
        assert!(plan.are_files_many(200, 10));
    }

    #[test]
    fn what_is_too_little_or_tight_is_known() {
        assert!(Plan::new(256, 1).least() <= 256);
        assert!(Plan::new(64, 1).least() > 64);
        assert!(Plan::new(1024, 1).is_tight(1));
        assert!(!Plan::new(524_288, 8).is_tight(1_000));
        assert!(Plan::new(20_000, 8).is_tight(10_000));
    }
}
