//! Pure: the watched processes on a run's page: CPU and memory over time.

use super::chart::{Axis, Chart, Line, Look, escape};
use super::over_time::{marks, seconds_axis};
use super::units::digits;
use crate::measure::sampling::{Cost, Sample};
use crate::report::hlog::Log;
use crate::report::run_report::RunReport;

/// CPU and memory of the processes that were watched.
pub fn brokers(report: &RunReport, log: &Log) -> String {
    let all = report.seen.brokers.iter();
    all.filter_map(|cost| broker(cost, report, log)).collect()
}

/// One of them; `None` if it was not looked at twice in the measured part.
fn broker(cost: &Cost, report: &RunReport, log: &Log) -> Option<String> {
    let (user, system) = (
        rate(&cost.samples, |sample| sample.user_s),
        rate(&cost.samples, |sample| sample.system_s),
    );
    if user.is_empty() {
        return None;
    }
    let both: Vec<_> = user
        .iter()
        .zip(&system)
        .map(|(user, system)| (user.0, user.1 + system.1))
        .collect();
    let line = |name: &str, colour: &str, look, points| Line {
        name: name.to_owned(),
        colour: format!("var({colour})"),
        look,
        points,
    };
    let chart = |about: &str, y, unit: &str, lines| Chart {
        about: about.to_owned(),
        x: seconds_axis(log),
        y: (y, unit.to_owned()),
        lines,
        marks: marks(report, log),
    };
    let most = both.iter().map(|point| point.1).fold(0.0, f64::max);
    let cpu = chart(
        "CPU of the broker over time",
        Axis::from_zero(most, 4, digits),
        "cores busy",
        vec![
            line("user + kernel", "--c1", Look::Area, both),
            line("kernel", "--c2", Look::Plain, system),
        ],
    );
    let measured = cost.samples.iter().filter(|sample| sample.at_s >= 0.0);
    let mib: Vec<_> = measured
        .map(|sample| (sample.at_s, sample.resident as f64 / 1048576.0))
        .collect();
    let most = mib.iter().map(|point| point.1).fold(0.0, f64::max);
    let memory = chart(
        "Resident memory of the broker over time",
        Axis::from_zero(most, 4, digits),
        "MiB resident",
        vec![line("resident", "--c3", Look::Area, mib)],
    );
    Some(format!(
        "<section><h2>{} (process {})</h2><p class=note>{} CPU seconds in the measured \
         part{}</p><div>{}</div><div>{}</div></section>",
        escape(&cost.name),
        cost.pid,
        digits(cost.cpu_s.unwrap_or(0.0)),
        figures(cost),
        cpu.html(),
        memory.html(),
    ))
}

/// How fast a sum grew between each two looks, by the time between them.
fn rate(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> Vec<(f64, f64)> {
    let pairs = samples.windows(2).filter_map(|pair| {
        let over = pair[1].at_s - pair[0].at_s;
        let middle = pair[0].at_s + over / 2.0;
        let rate = (of(&pair[1]) - of(&pair[0])) / over;
        (middle >= 0.0 && over > 0.5).then_some((middle, rate))
    });
    pairs.collect()
}

fn figures(cost: &Cost) -> String {
    let all = [
        (cost.cores, "cores busy on average"),
        (cost.cpu_s_per_gb, "CPU seconds per GB of records sent"),
        (cost.waits_per_s, "waits per second"),
        (cost.preemptions_per_s, "preemptions per second"),
    ];
    let known = all
        .into_iter()
        .filter_map(|(value, unit)| Some(format!(" · {} {unit}", digits(value?))));
    known.collect()
}
