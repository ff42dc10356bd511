import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The load of `transactions.py`: it reads a block a line, and answers with a line of JSON.
 *
 * <p>{@code transactions BOOTSTRAP TOPIC CLIENTS RECORDS WARM_UP_MS MS}: each producer in a thread
 * of its own, one transaction after the other, with so many records of 100 bytes over all
 * partitions; the latency is from begin to the end of commit. {@code offsets BOOTSTRAP TOPIC
 * CLIENTS 1 WARM_UP_MS MS}: consumers of one partition and one group each, which commit one offset
 * after the other.
 *
 * <p>The clients of a block are kept for the next one on the same topic: their connections and
 * their JVM's code are warm, whichever broker's turn it is.
 */
public class Transactions {
    private static final Map<String, List<Client>> CLIENTS = new HashMap<>();
    private static final int VALUE_BYTES = 100;

    /** One that does the same thing again and again. */
    private interface Client {
        void once() throws Exception;
    }

    public static void main(String[] args) throws Exception {
        var json = new ObjectMapper();
        var in = new java.io.BufferedReader(new java.io.InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            System.out.println(json.writeValueAsString(block(words)));
        }
        System.exit(0);
    }

    private static Map<String, Number> block(String[] words) throws Exception {
        int count = Integer.parseInt(words[3]);
        int records = Integer.parseInt(words[4]);
        long warmUpMs = Long.parseLong(words[5]);
        long ms = Long.parseLong(words[6]);
        String key = String.join(" ", Arrays.copyOf(words, 5));
        if (!CLIENTS.containsKey(key)) {
            CLIENTS.put(key, IntStream.range(0, count).mapToObj(number -> words[0].equals("offsets")
                    ? committer(words[1], words[2], number)
                    : producer(words[1], words[2], number, count, records)).toList());
        }
        long begin = System.nanoTime() + warmUpMs * 1_000_000;
        long end = begin + ms * 1_000_000;
        ExecutorService threads = Executors.newFixedThreadPool(count);
        try {
            Callable<long[]>[] loops = CLIENTS.get(key).stream()
                    .map(client -> (Callable<long[]>) () -> loop(client, begin, end))
                    .<Callable<long[]>>toArray(Callable[]::new);
            var done = threads.invokeAll(List.of(loops));
            long[] all = new long[0];
            for (var one : done) {
                long[] found = one.get();
                int before = all.length;
                all = Arrays.copyOf(all, before + found.length);
                System.arraycopy(found, 0, all, before, found.length);
            }
            Arrays.sort(all);
            return Map.of("rate", all.length * 1000.0 / ms, "p50", quantile(all, 0.5),
                    "p99", quantile(all, 0.99));
        } finally {
            threads.shutdown();
        }
    }

    /** The microseconds that each turn took which began and ended in the time that is measured. */
    private static long[] loop(Client client, long begin, long end) throws Exception {
        long[] took = new long[1024];
        int count = 0;
        long now = System.nanoTime();
        while (now < end) {
            long started = now;
            client.once();
            now = System.nanoTime();
            if (started < begin || now > end) {
                continue;
            }
            if (count == took.length) {
                took = Arrays.copyOf(took, 2 * count);
            }
            took[count++] = (now - started) / 1000;
        }
        return Arrays.copyOf(took, count);
    }

    private static double quantile(long[] sorted, double part) {
        return sorted.length == 0 ? 0
                : sorted[Math.min(sorted.length - 1, (int) (sorted.length * part))];
    }

    private static Client producer(String bootstrap, String topic, int number, int of,
            int records) {
        var settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("transactional.id", topic + "-" + of + "-" + records + "-" + number);
        // A batch goes when the commit asks for it: waiting for more is no part of a broker's time.
        settings.put("linger.ms", 0);
        var bytes = new ByteArraySerializer();
        var producer = new KafkaProducer<>(settings, bytes, bytes);
        producer.initTransactions();
        int partitions = producer.partitionsFor(topic).size();
        return () -> {
            producer.beginTransaction();
            for (int i = 0; i < records; i++) {
                int partition = (number + i) % partitions;
                producer.send(new ProducerRecord<>(topic, partition, null, new byte[VALUE_BYTES]));
            }
            producer.commitTransaction();
        };
    }

    private static Client committer(String bootstrap, String topic, int number) {
        var settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.id", topic + "-" + number);
        settings.put("enable.auto.commit", false);
        var bytes = new ByteArrayDeserializer();
        var consumer = new KafkaConsumer<>(settings, bytes, bytes);
        var place = new TopicPartition(topic, 0);
        consumer.assign(List.of(place));
        long[] offset = {0};
        return () -> consumer.commitSync(Map.of(place, new OffsetAndMetadata(offset[0]++)),
                Duration.ofSeconds(30));
    }
}
