//! Pure: the foot of a page: the command, settings, facts of the host, floors round by round.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::chart::escape;
use super::units::{count, duration};
use crate::report::quantile::Quantile;
use crate::report::run_report::{Context, FloorTimes, Floors, RunReport, fields, plain};
use crate::report::sweep::SweepReport;

/// The foot of a run's page.
pub fn of_run(report: &RunReport) -> String {
    let mut html = command(&report.context);
    html += &table("Every setting", &report.context.settings);
    html += &table("The host", &fields(&report.host));
    html += &table("Records", &fields(&report.records));
    html += &table("The check", &fields(&report.check));
    html + &report.floors_us.as_ref().map_or(String::new(), floors)
}

/// The foot of a sweep's page.
pub fn of_sweep(report: &SweepReport) -> String {
    let mut html = command(&report.context);
    html += &table("Every setting", &report.context.settings);
    html += &table("The host", &fields(&report.host));
    html + &report.floors_us.as_ref().map_or(String::new(), floors)
}

fn command(context: &Context) -> String {
    let Some(command) = &context.command else {
        return String::new();
    };
    format!(
        "<section><h2>The command</h2><pre>{}</pre></section>",
        escape(command)
    )
}

/// Names and values; nothing where there are none.
fn table(name: &str, all: &Map<String, Value>) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut html = format!("<section><details><summary>{name}</summary><table class=facts>");
    for (name, value) in all {
        let text = plain(value).unwrap_or_else(|| "not set, or not known".to_owned());
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td></tr>",
            escape(&name.replace('_', " ")),
            escape(&text)
        );
    }
    html + "</table></details></section>"
}

/// The floors of each round, and of all rounds together.
fn floors(floors: &Floors) -> String {
    let mut html = String::new();
    for round in &floors.rounds {
        html += &round_of(&round.when, &round.floors);
    }
    html += &round_of("all rounds together", &floors.all);
    format!(
        "<section><details><summary>Floors of this host, round by round</summary>\
         <div class=wrap><table>{html}</table></div></details></section>"
    )
}

/// The rows of a table of floors.
fn round_of(when: &str, found: &FloorTimes) -> String {
    let mut html = format!("<tr><th>{}</th>", escape(when));
    for quantile in Quantile::ALL {
        let _ = write!(html, "<th>{}</th>", quantile.name());
    }
    html += "<th>samples</th></tr>";
    for (name, times) in found {
        let Some(times) = times else {
            continue;
        };
        let _ = write!(html, "<tr><td>{}</td>", escape(name));
        for quantile in Quantile::ALL {
            let us = times.sure(quantile);
            let text = us.map_or("–".to_owned(), |us| duration(us * 1e3));
            let _ = write!(html, "<td>{text}</td>");
        }
        let _ = write!(html, "<td>{}</td></tr>", count(times.count));
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::quantile::Quantiles;
    use crate::report::run_report::Round;

    #[test]
    fn floors_are_a_table_of_rounds() {
        let one = Quantiles {
            p50: 48.1,
            p90: 60.0,
            p99: 90.0,
            p999: 95.0,
            p9999: 99.0,
            max: 100.0,
            count: 100,
        };
        let all = FloorTimes::from([("loopback round trip".to_owned(), Some(one))]);
        let html = floors(&Floors {
            all: all.clone(),
            rounds: vec![Round {
                when: "before".to_owned(),
                floors: all,
            }],
        });
        assert_eq!(html.matches("<td>48.1 µs</td>").count(), 2);
        assert!(html.contains("<th>before</th>") && !html.contains("90.0 µs"));
    }
}
