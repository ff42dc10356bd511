//! Pure: the admin page with the metrics that clients have pushed (KIP-714).

use std::fmt::Write;

use crate::shard::numbers::ClientNumbers;

/// A block for each client instance: a line about the client, and one for each number. Control
/// characters in a client's texts are replaced, since they could look like further lines.
pub fn page(clients: &[ClientNumbers]) -> String {
    let mut text = String::new();
    for client in clients {
        let [instance, id, software, version, address, port] = &*client.facts;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "# {} client.id={} {} {} {address}:{port} pushed_at_ms={} left_out={}",
            printable(instance),
            printable(id),
            printable(software),
            printable(version),
            client.pushed_at,
            client.samples.left_out
        );
        for sample in &client.samples.list {
            let _ = writeln!(text, "{} {}", printable(&sample.name), sample.value);
        }
    }
    text
}

fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '?' } else { c };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::wire::otlp::{Sample, Samples};

    #[test]
    fn a_client_cannot_write_lines_of_its_own() {
        let text = |text: &str| text.to_owned();
        let client = ClientNumbers {
            facts: [
                text("i"),
                text("c\nfake 1"),
                text("java"),
                text("4"),
                text("::1"),
                text("9"),
            ]
            .into(),
            pushed_at: 7,
            samples: Arc::new(Samples {
                list: vec![Sample {
                    name: text("a\nb"),
                    value: 2.5,
                }],
                left_out: 3,
            }),
        };
        assert_eq!(
            page(&[client]),
            "# i client.id=c?fake 1 java 4 ::1:9 pushed_at_ms=7 left_out=3\na?b 2.5\n"
        );
    }
}
