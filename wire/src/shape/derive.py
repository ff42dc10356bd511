#!/usr/bin/env python3
"""Writes `table.rs`, `answers.rs` and `../api_keys/table.rs` from Kafka's own message schemas.

The schemas are the files `common/message/*.json` inside the Java client's jar
(Maven coordinates org.apache.kafka:kafka-clients; 4.3.1 when this was last run). Run it when a
newer Kafka or another API is wanted:

    python3 derive.py path/to/kafka-clients-4.3.1.jar && cargo fmt

Only what a bounds check needs is kept of a schema: the order of the fields, the size or kind of
each, the versions it is there in, from which version on it may be null, and its tag.
An API whose requests are to be checked is added to APIS below, one whose answers are to ANSWERS.
"""

import json
import pathlib
import re
import sys
import zipfile

# The APIs whose requests are checked, by Kafka's name of them.
APIS = """
    Produce Fetch ListOffsets Metadata OffsetCommit OffsetFetch FindCoordinator JoinGroup
    Heartbeat LeaveGroup SyncGroup DescribeGroups ListGroups ApiVersions CreateTopics
    DeleteTopics DeleteRecords InitProducerId OffsetForLeaderEpoch AddPartitionsToTxn
    AddOffsetsToTxn EndTxn DescribeTransactions ListTransactions DescribeAcls
    CreateAcls DeleteAcls DescribeConfigs AlterConfigs
    DescribeLogDirs CreatePartitions DeleteGroups IncrementalAlterConfigs OffsetDelete
    DescribeCluster ListConfigResources DescribeTopicPartitions WriteTxnMarkers DescribeProducers
    TxnOffsetCommit ElectLeaders AlterPartitionReassignments ListPartitionReassignments
    DescribeQuorum ConsumerGroupHeartbeat ConsumerGroupDescribe DescribeClientQuotas
    AlterClientQuotas UpdateFeatures GetTelemetrySubscriptions PushTelemetry AlterReplicaLogDirs
""".split()

# The APIs that this broker asks of other Kafka processes.
ANSWERS = """
    Fetch ListOffsets ApiVersions OffsetForLeaderEpoch AlterPartition Envelope FetchSnapshot
    BrokerRegistration BrokerHeartbeat AllocateProducerIds CreateTopics AssignReplicasToDirs
    WriteTxnMarkers AddPartitionsToTxn
""".split()

FIXED = {
    "bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8,
    "float64": 8, "uuid": 16,
}
LAST = 32767


def schemas(jar, kind):
    """All schemas of requests, or of answers, by API name."""
    found = {}
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            match = re.fullmatch(rf"common/message/(\w+){kind}\.json", name)
            if match:
                lines = archive.read(name).decode().splitlines()
                text = "\n".join(line for line in lines if not line.lstrip().startswith("//"))
                found[match.group(1)] = json.loads(text)
    return found


def span(text):
    """"3+" or "3-7" or "3" or "none" as first and last version."""
    if text in (None, "none"):
        return (LAST, -1)
    if text.endswith("+"):
        return (int(text[:-1]), LAST)
    first, _, last = text.partition("-")
    return (int(first), int(last or first))


def screaming(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


class Table:
    def __init__(self):
        self.lines = []

    def kind(self, prefix, field, commons):
        """The `Kind` expression of a field; structs are written out first."""
        name = field["type"]
        if name.startswith("[]"):
            element = dict(field, type=name[2:])
            return f"Kind::Array(&{self.kind(prefix, element, commons)})"
        if name in FIXED:
            return f"Kind::Fixed({FIXED[name]})"
        if name == "string":
            return "Kind::Text"
        if name in ("bytes", "records"):
            return "Kind::Blob"
        fields = field.get("fields") or commons[name]
        const = f"{prefix}_{screaming(field['name'])}"
        self.struct(const, fields, commons)
        return f"Kind::Struct({const})"

    def struct(self, const, fields, commons):
        rows = []
        for field in fields:
            first, last = span(field["versions"])
            assert "flexibleVersions" not in field, field
            tagged = span(field.get("taggedVersions"))
            assert tagged in ((first, last), (LAST, -1)), field
            row = f'Field::new("{field["name"]}", {self.kind(const, field, commons)}, {first})'
            if last != LAST:
                row += f".upto({last})"
            null_first, null_last = span(field.get("nullableVersions"))
            if null_first <= null_last:
                assert null_last in (LAST, last), field
                row += f".nullable({null_first})"
            if "tag" in field:
                row += f".tag({field['tag']})"
            rows.append(f"    {row},")
        self.lines += [f"const {const}: &[Field] = &[", *rows, "];", ""]


NOTE = "Derived from Kafka 4.3.1 by `wire/src/shape/derive.py`; not edited by hand."


def write_bodies(path, what, const_name, found, apis):
    """Writes the layouts of the bodies of `apis`."""
    table, bodies = Table(), []
    for name in apis:
        schema = found[name]
        const = screaming(name)
        commons = {s["name"]: s["fields"] for s in schema.get("commonStructs", [])}
        table.struct(const, schema["fields"], commons)
        first, last = span(schema["validVersions"])
        flexible = span(schema["flexibleVersions"])[0]
        bodies.append((schema["apiKey"], f"    Body::new({schema['apiKey']}, {first}, {last}, "
                                         f"{flexible}, {const}),"))
    lines = [
        f"//! Pure: the layout of {what}.", f"//! {NOTE}", "",
        "use super::{Body, Field, Kind};", "",
        *table.lines,
        f"/// The {what} that can be checked, by API key.",
        f"pub(super) const {const_name}: &[Body] = &[", *(row for _, row in sorted(bodies)), "];",
    ]
    path.write_text("\n".join(lines) + "\n")


def main():
    here = pathlib.Path(__file__).resolve().parent
    found = schemas(sys.argv[1], "Request")
    write_bodies(here / "table.rs", "request bodies", "BODIES", found, APIS)
    answers = schemas(sys.argv[1], "Response")
    write_bodies(here / "answers.rs", "bodies of answers", "ANSWERS", answers, ANSWERS)

    rows = []
    for name, schema in found.items():
        first, last = span(schema["validVersions"])
        flexible = span(schema.get("flexibleVersions"))[0]
        if first <= last:
            rows.append((schema["apiKey"], f'    ApiRow::new({schema["apiKey"]}, "{name}", '
                                           f"{first}, {last}, {flexible}),"))
    lines = [
        "//! Pure: every API that Kafka knows of.", f"//! {NOTE}", "",
        "use super::ApiRow;", "",
        "/// All APIs, by key: name, first and last version, first version with tagged fields.",
        "pub(crate) const API_KEYS: &[ApiRow] = &[", *(row for _, row in sorted(rows)), "];",
    ]
    (here.parent / "api_keys" / "table.rs").write_text("\n".join(lines) + "\n")


main()
