// Writes one record batch of each kind into the folder named by its argument, with the classes
// that Kafka's own producer and broker use:
//
//     java -cp <jars of org.apache.kafka:kafka-clients 4.3.1 and what it depends on> \
//         tests/golden/batches/Batches.java tests/golden/batches
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;

public class Batches {
    static Path folder;

    static void write(String name, MemoryRecords records) throws Exception {
        ByteBuffer buffer = records.buffer().duplicate();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        Files.write(folder.resolve(name + ".batch"), bytes);
    }

    static SimpleRecord[] records() {
        byte[] large = new byte[40_000];
        for (int i = 0; i < large.length; i++) large[i] = (byte) (i * i / 100);
        Header[] headers = {
            new RecordHeader("h", "1".getBytes()), new RecordHeader("h", null),
            new RecordHeader("", new byte[0]),
        };
        return new SimpleRecord[] {
            new SimpleRecord(1_600_000_000_000L, "key".getBytes(), "value".getBytes()),
            new SimpleRecord(1_600_000_000_005L, (byte[]) null, new byte[0]),
            new SimpleRecord(1_599_999_999_000L, new byte[0], (byte[]) null, headers),
            new SimpleRecord(1_600_000_000_001L, null, large),
        };
    }

    public static void main(String[] arguments) throws Exception {
        folder = Path.of(arguments[0]);
        for (var codec : List.of(Compression.NONE, Compression.gzip().build(),
                Compression.snappy().build(), Compression.lz4().build(),
                Compression.zstd().build())) {
            write(codec.type().name, MemoryRecords.withRecords(100L, codec, 7, records()));
        }
        write("transactional", MemoryRecords.withTransactionalRecords(
            Compression.NONE, 4000L, (short) 3, 2147483645, records()));
        write("log_append_time", MemoryRecords.withRecords((byte) 2, 0L, Compression.NONE,
            TimestampType.LOG_APPEND_TIME, -1L, (short) -1, -1, 0, false,
            new SimpleRecord(1_600_000_000_000L, "value".getBytes())));
        for (var type : List.of(ControlRecordType.COMMIT, ControlRecordType.ABORT)) {
            write(type.name().toLowerCase(), MemoryRecords.withEndTransactionMarker(
                500L, 1_600_000_000_000L, 7, 4000L, (short) 3, new EndTransactionMarker(type, 12)));
        }
        write("leader_change", MemoryRecords.withLeaderChangeMessage(
            0L, 1_600_000_000_000L, 7, ByteBuffer.allocate(512),
            new LeaderChangeMessage().setLeaderId(1)));
    }
}
