// Prints what Apache Kafka's own ConfigDef says to good, odd and bad texts for its settings:
// what the verdicts.txt beside this file holds. To renew it, with Kafka 4.3.1 on the class path:
//   java -cp "$CLASS_PATH" Verdicts.java > verdicts.txt
// A line is table, setting, text, "ok" and the text as Kafka prints it again, or "bad" and the
// message; all separated by tabs. Settings that share type and bounds are asked once.
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;

public class Verdicts {
    static final List<String> NUMBERS = Arrays.asList("", " ", "abc", "-3", "-2", "-1", "0", "1", "2", "3", "5", "7",
        " 8 ", "+5", "9", "10", "17", "18", "22", "23", "100", "0.5", "1.0", "1.5", "1e3", "2d", "0x10", "1_000", "524287",
        "32768", "1048575", "1048576", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "-99999");
    static final List<String> TEXTS = Arrays.asList("", " ", "abc", "1", "TRUE", "false", " true ", "yes", "a,b", "a , b,", ",",
        "a,a", "delete", "compact,delete", " compact , delete ", "delete,compact,delete", "Delete", "compact,", "none",
        "gzip", "GZIP", "CreateTime", "latest", "by_duration:PT1H", "by_duration:P1DT2H3M4.5S", "by_duration:1",
        "by_duration:P", "by_duration:PT", "by_duration:", "*", "0:1,1:2", "0:1,", " 0:1 , 2:3", "*,0:1", "1:a", "upgrade",
        "ES256", "classic,consumer", "broker", "SSL", "h:9093", "[::1]:9093", "h:", ":9093", "1@h:9093", "1@h:9093,2@i:1",
        "x@h:9093", "1@h", "read_committed");

    static String escaped(String s) {
        return s.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n");
    }

    static ConfigDef rows(String className, String fieldName) throws Exception {
        var field = Class.forName(className).getDeclaredField(fieldName);
        field.setAccessible(true);
        return (ConfigDef) field.get(null);
    }

    public static void main(String[] args) throws Exception {
        ask("broker", rows("org.apache.kafka.server.config.AbstractKafkaConfig", "CONFIG_DEF"));
        ask("topic", rows("org.apache.kafka.storage.internals.log.LogConfig", "CONFIG"));
        ask("group", rows("org.apache.kafka.coordinator.group.GroupConfig", "CONFIG_DEF"));
    }

    static final Set<String> ASKED = new HashSet<>();

    static void ask(String table, ConfigDef rows) {
        for (ConfigDef.ConfigKey key : new TreeMap<>(rows.configKeys()).values()) {
            boolean numeric = switch (key.type) {
                case INT, SHORT, LONG, DOUBLE -> true;
                default -> false;
            };
            if (key.internalConfig || key.type == ConfigDef.Type.CLASS) {
                continue;
            }
            String alike = key.type + " " + (key.validator == null ? "" : key.validator.getClass() + " " + key.validator);
            if (key.type == ConfigDef.Type.LIST) {
                alike += verdict(key, "") + verdict(key, "a,a");
                alike = alike.replace(key.name, "");
            }
            if (!ASKED.add(alike)) {
                continue;
            }
            for (String text : numeric ? NUMBERS : TEXTS) {
                System.out.println(table + "\t" + key.name + "\t" + escaped(text) + "\t" + verdict(key, text));
            }
        }
    }

    static String verdict(ConfigDef.ConfigKey key, String text) {
        try {
            Object value = new ConfigDef().define(key).parse(Map.of(key.name, text)).get(key.name);
            boolean secret = key.type == ConfigDef.Type.PASSWORD;
            return "ok\t" + (secret ? "" : escaped(ConfigDef.convertToString(value, key.type)));
        } catch (ConfigException e) {
            return "bad\t" + escaped(e.getMessage());
        }
    }
}
