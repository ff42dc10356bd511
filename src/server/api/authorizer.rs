//! Pure: what an authorizer is asked before a request is served. No answer is enforced yet: there
//! is no authorizer, and every client may do everything.

/// What a client wants to do (Kafka's `AclOperation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Read records, or take part in a group.
    Read,
    /// Write records.
    Write,
    /// Create it.
    Create,
    /// Delete it, or records of it.
    Delete,
    /// Change it, other than its settings.
    Alter,
    /// See that it exists, and how it stands.
    Describe,
    /// Act as a broker of the cluster.
    ClusterAction,
    /// See its settings.
    DescribeConfigs,
    /// Change its settings.
    AlterConfigs,
    /// Write as an idempotent producer.
    IdempotentWrite,
}

/// On what kind of thing it wants to do it (Kafka's `ResourceType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A topic, by its name.
    Topic,
    /// A group, by its id.
    Group,
    /// The cluster: there is one, of the name `kafka-cluster`.
    Cluster,
    /// A transactional id.
    TransactionalId,
}

/// One question that an authorizer may be asked because of a request.
pub type Ask = (Operation, Resource);
