import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.metadata.properties.MetaPropertiesEnsemble;
import org.apache.kafka.storage.internals.checkpoint.CleanShutdownFileHandler;
import org.apache.kafka.storage.internals.checkpoint.LeaderEpochCheckpointFile;
import org.apache.kafka.storage.internals.checkpoint.OffsetCheckpointFile;
import org.apache.kafka.storage.internals.checkpoint.PartitionMetadataFile;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;

/**
 * Reads the small files of folders of logs with Kafka's own classes, and has them write what they
 * read: it must be the same lines. Prints what it found.
 */
public class ReadFolder {
    static final List<String> OFFSETS = List.of("recovery-point-offset-checkpoint",
        "log-start-offset-checkpoint", "replication-offset-checkpoint", "cleaner-offset-checkpoint");
    static Path scratch;

    static Set<String> lines(Path file) throws Exception {
        Set<String> lines = new TreeSet<>(Files.readAllLines(file));
        lines.removeIf(String::isBlank);
        return lines;
    }

    static void same(Path ours, Path kafkas) throws Exception {
        if (!lines(ours).equals(lines(kafkas))) {
            throw new AssertionError(ours + ": " + lines(ours) + ", Kafka writes " + lines(kafkas));
        }
    }

    static void offsets(Path file, LogDirFailureChannel channel) throws Exception {
        Path copy = Files.copy(file, scratch.resolve("offsets-" + System.nanoTime()));
        var read = new OffsetCheckpointFile(copy.toFile(), channel).read();
        new OffsetCheckpointFile(copy.toFile(), channel).write(read);
        same(file, copy);
        System.out.println(file.getFileName() + " " + read.size());
        read.forEach((partition, offset) ->
            System.out.println("offset " + file.getFileName() + " " + partition + " " + offset));
    }

    static void log(Path dir, LogDirFailureChannel channel) throws Exception {
        Path epochs = dir.resolve("leader-epoch-checkpoint");
        if (Files.exists(epochs)) {
            Path copy = Files.copy(epochs, scratch.resolve("epochs-" + System.nanoTime()));
            var read = new LeaderEpochCheckpointFile(copy.toFile(), channel).read();
            new LeaderEpochCheckpointFile(copy.toFile(), channel).write(read);
            same(epochs, copy);
            System.out.println("epochs " + dir.getFileName() + " " + read);
        }
        File metadata = PartitionMetadataFile.newFile(dir.toFile());
        if (metadata.exists()) {
            var read = new PartitionMetadataFile(metadata, channel).read();
            System.out.println("id " + dir.getFileName() + " " + read.topicId());
        }
    }

    public static void main(String[] dirs) throws Exception {
        scratch = Files.createTempDirectory("read-folder");
        for (String dir : dirs) {
            LogDirFailureChannel channel = new LogDirFailureChannel(1);
            var loaded = new MetaPropertiesEnsemble.Loader().addLogDirs(List.of(dir)).load();
            loaded.verify(loaded.clusterId(), loaded.nodeId(), java.util.EnumSet.of(
                MetaPropertiesEnsemble.VerificationFlag.REQUIRE_AT_LEAST_ONE_VALID));
            System.out.println("node " + loaded.nodeId().getAsInt() + " " + loaded.clusterId().get());
            System.out.println("clean " + new CleanShutdownFileHandler(dir).exists()
                + " " + new CleanShutdownFileHandler(dir).read().isPresent());
            for (String name : OFFSETS) {
                Path file = Path.of(dir, name);
                if (Files.exists(file)) {
                    offsets(file, channel);
                }
            }
            try (var logs = Files.newDirectoryStream(Path.of(dir), Files::isDirectory)) {
                for (Path log : logs) {
                    log(log, channel);
                }
            }
        }
    }
}
