// Prints the settings of Apache Kafka as its own tables have them: what the rows.txt beside this
// file holds. To renew it, with Kafka 4.3.1 on the class path:
//   java -cp "$CLASS_PATH" Rows.java > rows.txt
// A line is table, name, type, default (- for none), importance, and for brokers how it can be
// changed while running; all separated by tabs. Internal settings are left out.
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.config.ConfigDef;

public class Rows {
    public static void main(String[] args) throws Exception {
        Object modes = Class.forName("org.apache.kafka.server.config.DynamicBrokerConfig")
            .getMethod("dynamicConfigUpdateModes").invoke(null);
        print("broker", "org.apache.kafka.server.config.AbstractKafkaConfig", "CONFIG_DEF", (Map<?, ?>) modes);
        print("topic", "org.apache.kafka.storage.internals.log.LogConfig", "CONFIG", null);
        print("group", "org.apache.kafka.coordinator.group.GroupConfig", "CONFIG_DEF", null);
    }

    static void print(String table, String className, String fieldName, Map<?, ?> modes) throws Exception {
        var field = Class.forName(className).getDeclaredField(fieldName);
        field.setAccessible(true);
        for (ConfigDef.ConfigKey key : new TreeMap<>(((ConfigDef) field.get(null)).configKeys()).values()) {
            if (key.internalConfig) {
                continue;
            }
            boolean none = key.defaultValue == null || key.defaultValue == ConfigDef.NO_DEFAULT_VALUE;
            String text = none ? "-" : ConfigDef.convertToString(key.defaultValue, key.type);
            String mode = modes == null ? "" : "\t" + (modes.containsKey(key.name) ? modes.get(key.name) : "read-only");
            System.out.println(table + "\t" + key.name + "\t" + key.type + "\t" + text + "\t" + key.importance + mode);
        }
    }
}
