import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.Configurator;

/**
 * The Java client, driven by lines of JSON: one request a line in, one answer a line out. See
 * `with_java_client.py`, which asks. Or: `member GROUP TOPIC INSTANCE`, a member of a group for ever.
 */
public class JavaClient {
    private static final String BOOTSTRAP = System.getenv("BOOTSTRAP");
    private static final ObjectMapper JSON = new ObjectMapper();
    private static KafkaConsumer<byte[], byte[]> follower;
    private static KafkaConsumer<byte[], byte[]> reader;
    /** Transactional producers, by the numbers that they were given. */
    private static final List<KafkaProducer<byte[], byte[]>> PRODUCERS = new ArrayList<>();

    public static void main(String[] args) throws Exception {
        if (args.length > 0) {
            member(args[1], args[2], args.length > 3 ? args[3] : "");
        }
        // So that standard error tells which fetches were incremental.
        Configurator.setLevel("org.apache.kafka.clients.FetchSessionHandler", Level.DEBUG);
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            ObjectNode answer = JSON.createObjectNode();
            try {
                answer.set("ok", JSON.valueToTree(answer(JSON.readTree(line))));
            } catch (ExecutionException error) {
                answer.put("error", error.getCause().toString());
            } catch (Exception error) {
                error.printStackTrace();
                answer.put("error", error.toString());
            }
            System.out.println(answer);
        }
    }

    private static Object answer(JsonNode ask) throws Exception {
        String topic = ask.path("topic").asText();
        var place = new TopicPartition(topic, ask.path("partition").asInt());
        return switch (ask.get("do").asText()) {
            case "nodes" -> nodes();
            case "create" -> create(topic, ask.get("partitions").asInt());
            case "produce" -> produce(topic, ask.get("records"), ask.get("settings"));
            case "consume" -> consume(topic, ask.get("count").asInt(), ask.get("group"),
                    ask.get("committed").asBoolean());
            case "ends" -> ends(place);
            case "time" -> offsetForTime(place, ask.get("ms").asLong());
            case "follow" -> follow(place, ask.get("wait_ms").asInt(),
                    ask.get("committed").asBoolean());
            case "next" -> next(ask.get("ms").asLong());
            case "longest" -> longestFetchMs();
            case "close" -> close();
            case "reader" -> reader(topic, ask.get("group").asText());
            case "read" -> read(ask.get("count").asInt());
            case "close_reader" -> closeReader();
            case "transactional" -> transactional(ask.get("name").asText(),
                    ask.get("timeout_ms").asInt());
            case "transact" -> transact(PRODUCERS.get(ask.get("producer").asInt()),
                    ask.get("step").asText());
            case "send" -> send(PRODUCERS.get(ask.get("producer").asInt()), topic,
                    ask.get("records"));
            case "row" -> row(PRODUCERS.get(ask.get("producer").asInt()), topic,
                    ask.get("count").asInt());
            case "epoch" -> epoch(ask.get("name").asText());
            default -> throw new IllegalArgumentException(ask.toString());
        };
    }

    private static List<Integer> nodes() throws Exception {
        try (Admin admin = Admin.create(settings())) {
            return admin.describeCluster().nodes().get().stream().map(Node::id).toList();
        }
    }

    private static boolean create(String topic, int partitions) throws Exception {
        try (Admin admin = Admin.create(settings())) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
            return true;
        }
    }

    /** Sends the records with the given producer settings; their offsets. */
    private static List<Long> produce(String topic, JsonNode records, JsonNode more)
            throws Exception {
        Properties settings = settings();
        more.properties().forEach(s -> settings.put(s.getKey(), s.getValue().asText()));
        var bytes = new ByteArraySerializer();
        try (var producer = new KafkaProducer<>(settings, bytes, bytes)) {
            return send(producer, topic, records);
        }
    }

    private static List<Long> send(KafkaProducer<byte[], byte[]> producer, String topic,
            JsonNode records) throws Exception {
        var sent = new ArrayList<Future<RecordMetadata>>();
        for (JsonNode r : records) {
            Long timestamp = r.get("timestamp").isNull() ? null : r.get("timestamp").asLong();
            var record = new ProducerRecord<>(topic, r.get("partition").asInt(), timestamp,
                    r.get("key").binaryValue(), r.get("value").binaryValue());
            for (JsonNode header : r.get("headers")) {
                record.headers().add(header.get(0).asText(), header.get(1).binaryValue());
            }
            sent.add(producer.send(record));
        }
        var offsets = new ArrayList<Long>();
        for (var metadata : sent) {
            offsets.add(metadata.get(30, TimeUnit.SECONDS).offset());
        }
        return offsets;
    }

    /** A producer that has told the broker of its transactional id; its number. */
    private static int transactional(String name, int timeoutMs) {
        Properties settings = settings();
        settings.put("transactional.id", name);
        settings.put("transaction.timeout.ms", timeoutMs);
        // Half a minute, as the other clients are given.
        settings.put("max.block.ms", 30_000);
        var bytes = new ByteArraySerializer();
        var producer = new KafkaProducer<>(settings, bytes, bytes);
        producer.initTransactions();
        PRODUCERS.add(producer);
        return PRODUCERS.size() - 1;
    }

    private static boolean transact(KafkaProducer<byte[], byte[]> producer, String step) {
        switch (step) {
            case "begin" -> producer.beginTransaction();
            case "offsets" -> producer.sendOffsetsToTransaction(positions(), reader.groupMetadata());
            case "commit" -> producer.commitTransaction();
            case "abort" -> producer.abortTransaction();
            case "close" -> producer.close(Duration.ZERO);
            default -> throw new IllegalArgumentException(step);
        }
        return true;
    }

    /** So many transactions over two partitions, with no time between them. */
    private static boolean row(KafkaProducer<byte[], byte[]> producer, String topic, int count) {
        for (int i = 0; i < count; i++) {
            producer.beginTransaction();
            for (int partition = 0; partition < 2; partition++) {
                byte[] value = Integer.toString(i).getBytes(StandardCharsets.UTF_8);
                producer.send(new ProducerRecord<>(topic, partition, null, value));
            }
            producer.commitTransaction();
        }
        return true;
    }

    /** The producer epoch that the transaction's coordinator tells. */
    private static int epoch(String name) throws Exception {
        try (Admin admin = Admin.create(settings())) {
            return admin.describeTransactions(List.of(name)).description(name).get().producerEpoch();
        }
    }

    private static Map<TopicPartition, OffsetAndMetadata> positions() {
        var positions = new HashMap<TopicPartition, OffsetAndMetadata>();
        for (TopicPartition place : reader.assignment()) {
            positions.put(place, new OffsetAndMetadata(reader.position(place)));
        }
        return positions;
    }

    private static boolean reader(String topic, String group) {
        Properties settings = settings();
        settings.put("group.id", group);
        settings.put("isolation.level", "read_committed");
        // So that no more is read than is asked for.
        settings.put("max.poll.records", 1);
        reader = consumer(settings);
        reader.subscribe(List.of(topic));
        return true;
    }

    private static ArrayNode read(int count) {
        ArrayNode got = JSON.createArrayNode();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (got.size() < count && System.nanoTime() < deadline) {
            reader.poll(Duration.ofSeconds(1)).forEach(record -> got.add(asJson(record)));
        }
        return got;
    }

    private static boolean closeReader() {
        reader.close();
        return true;
    }

    private static ArrayNode consume(String topic, int count, JsonNode group, boolean committed) {
        Properties settings = settings();
        settings.put("isolation.level", committed ? "read_committed" : "read_uncommitted");
        if (!group.isNull()) {
            settings.put("group.id", group.asText());
        }
        ArrayNode got = JSON.createArrayNode();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        try (var consumer = consumer(settings)) {
            if (group.isNull()) {
                var all = consumer.partitionsFor(topic).stream()
                        .map(p -> new TopicPartition(topic, p.partition())).toList();
                consumer.assign(all);
            } else {
                consumer.subscribe(List.of(topic));
            }
            while (got.size() < count && System.nanoTime() < deadline) {
                consumer.poll(Duration.ofSeconds(1)).forEach(record -> got.add(asJson(record)));
            }
            if (!group.isNull()) {
                consumer.commitSync();
            }
        }
        return got;
    }

    private static List<Long> ends(TopicPartition place) {
        try (var consumer = consumer(settings())) {
            var places = List.of(place);
            return List.of(consumer.beginningOffsets(places).get(place),
                    consumer.endOffsets(places).get(place));
        }
    }

    private static Long offsetForTime(TopicPartition place, long ms) {
        try (var consumer = consumer(settings())) {
            var found = consumer.offsetsForTimes(Map.of(place, ms)).get(place);
            return found == null ? null : found.offset();
        }
    }

    private static boolean follow(TopicPartition place, int waitMs, boolean committed) {
        Properties settings = settings();
        settings.put("isolation.level", committed ? "read_committed" : "read_uncommitted");
        settings.put("fetch.max.wait.ms", waitMs);
        settings.put("max.poll.records", 1);
        follower = consumer(settings);
        follower.assign(List.of(place));
        follower.seekToEnd(List.of(place));
        return true;
    }

    private static JsonNode next(long ms) {
        ConsumerRecords<byte[], byte[]> records = follower.poll(Duration.ofMillis(ms));
        return records.isEmpty() ? null : asJson(records.iterator().next());
    }

    private static double longestFetchMs() {
        return follower.metrics().entrySet().stream()
                .filter(metric -> metric.getKey().name().equals("fetch-latency-max"))
                .mapToDouble(metric -> (double) metric.getValue().metricValue())
                .max().getAsDouble();
    }

    private static boolean close() {
        follower.close();
        return true;
    }

    private static void member(String group, String topic, String instance) {
        Properties settings = settings();
        settings.put("group.id", group);
        if ("consumer".equals(System.getenv("GROUP_PROTOCOL"))) {
            settings.put("group.protocol", "consumer");
        } else {
            settings.put("session.timeout.ms", 6000);
            settings.put("heartbeat.interval.ms", 500);
        }
        if (!instance.isEmpty()) {
            settings.put("group.instance.id", instance);
        }
        var consumer = consumer(settings);
        // What is assigned may change by parts: what is told is always all of it.
        consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
                var left = new ArrayList<>(consumer.assignment());
                left.removeAll(revoked);
                assigned(left);
            }

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> added) {
                assigned(consumer.assignment());
            }
        });
        while (true) {
            var records = consumer.poll(Duration.ofMillis(100));
            for (ConsumerRecord<byte[], byte[]> r : records) {
                say("record " + r.partition() + " " + r.offset() + " " + new String(r.value()));
            }
            if (!records.isEmpty()) {
                consumer.commitSync();
            }
        }
    }

    private static void assigned(Collection<TopicPartition> partitions) {
        say("assigned " + partitions.stream().map(p -> "" + p.partition())
                .collect(Collectors.joining(" ")));
    }

    private static void say(String line) {
        byte[] bytes = (line + "\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(bytes, 0, bytes.length);
        System.out.flush();
    }

    private static Properties settings() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", BOOTSTRAP);
        return settings;
    }

    private static KafkaConsumer<byte[], byte[]> consumer(Properties settings) {
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", false);
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
    }

    private static ObjectNode asJson(ConsumerRecord<byte[], byte[]> record) {
        ObjectNode json = JSON.createObjectNode();
        json.put("partition", record.partition()).put("offset", record.offset())
                .put("timestamp", record.timestamp())
                .put("key", record.key()).put("value", record.value());
        ArrayNode headers = json.putArray("headers");
        record.headers().forEach(h -> headers.addArray().add(h.key()).add(h.value()));
        return json;
    }
}
