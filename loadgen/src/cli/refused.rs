//! Pure: options that `sweep` and `verify` share with `run` and that mean nothing there.
//!
//! All three make the same load and so have the same options. One that could only be passed
//! over in silence is refused with what to do instead, and left out of the help.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, Error};

/// A subcommand's refused options, by their ids, and why.
type Refused = [(&'static str, &'static str)];

const SWEEP: &Refused = &[
    ("max", "a sweep goes up from a --rate, and --max has none"),
    (
        "blocks",
        "a sweep measures each rate once; --duration says for how long",
    ),
    (
        "omb_json",
        "OpenMessaging Benchmark has no result of several rates; --json has them all",
    ),
    (
        "broker_pid",
        "what a broker costs is told of one rate: loadgen run does that",
    ),
    (
        "event",
        "a sweep has no seconds that could be known beforehand: loadgen run has",
    ),
    (
        "at",
        "a sweep has no seconds that could be known beforehand: loadgen run has",
    ),
];

const VERIFY: &Refused = &[
    (
        "idempotent",
        "producers are idempotent in any case, unless --plain or --acks 1 is given",
    ),
    (
        "consume",
        "records are read back once all are acked, from the broker's disk",
    ),
    (
        "consumers",
        "records are read back by one reader once all are acked",
    ),
    (
        "fanout",
        "records are read back by one reader once all are acked",
    ),
    ("no_check", "the check is what this is for"),
    (
        "warmup",
        "what is proven is proven of every record, from the first one on",
    ),
    (
        "blocks",
        "there is one stretch of time; --duration says how long",
    ),
    ("floors", "no latency is judged here: loadgen run does that"),
    (
        "html",
        "there is no page of a proof; --json has its figures, --hlog the latencies",
    ),
    (
        "omb_json",
        "OpenMessaging Benchmark has no such result; --json has the figures",
    ),
];

const NO_PERF_TEST: &str = "kafka-producer-perf-test has no such line; table and json are there";

fn of(name: &str) -> &'static Refused {
    match name {
        "sweep" => SWEEP,
        "verify" => VERIFY,
        _ => &[],
    }
}

/// Leaves the refused options out of each subcommand's help.
pub fn hide(mut command: Command) -> Command {
    for name in ["sweep", "verify"] {
        command = command.mut_subcommand(name, |own| {
            let hidden = of(name).iter();
            hidden.fold(own, |own, (id, _)| own.mut_arg(*id, |one| one.hide(true)))
        });
    }
    command
}

/// The error of subcommand `name` of `command` for the first refused option that was typed.
pub fn check(command: &mut Command, name: &str, typed: &ArgMatches) -> Result<(), Error> {
    let by_hand = |id: &str| typed.value_source(id) == Some(ValueSource::CommandLine);
    let mut found = of(name).iter().filter(|(id, _)| by_hand(id)).copied();
    let mut refused = found.next();
    if !of(name).is_empty() && typed.get_one("format") == Some(&crate::options::Format::PerfTest) {
        refused = refused.or(Some(("format perf-test", NO_PERF_TEST)));
    }
    let (Some((id, why)), Some(own)) = (refused, command.find_subcommand_mut(name)) else {
        return Ok(());
    };
    let option = id.replace('_', "-");
    let text = format!("--{option} means nothing to loadgen {name}: {why}");
    Err(own.error(ErrorKind::ArgumentConflict, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    #[test]
    fn options_that_mean_nothing_are_refused_by_name_and_hidden() {
        let base = "--bootstrap h:1 --topic t --rate 5";
        for (name, refused) in [("sweep", SWEEP), ("verify", VERIFY)] {
            let given = |more: &str| {
                let line = format!("loadgen {name} {base} {more}");
                Cli::from_words(line.split_whitespace())
            };
            assert!(given("--out d --json f --hlog g --format json --note n").is_ok());
            let shown = hide(Cli::command());
            let shown = shown.find_subcommand(name).unwrap();
            for (id, why) in refused {
                let option = format!("--{}", id.replace('_', "-"));
                let value = match *id {
                    "max" | "consume" | "no_check" | "idempotent" => "",
                    "event" | "at" => "5=x",
                    _ => "2",
                };
                let plain = base.replace(" --rate 5", if *id == "max" { "" } else { " --rate 5" });
                let line = format!("loadgen {name} {plain} {option} {value}");
                let error = Cli::from_words(line.split_whitespace()).unwrap_err();
                let text = error.to_string();
                assert_eq!(error.exit_code(), 2, "{text}");
                assert!(
                    text.contains(&format!("{option} means")) && text.contains(why),
                    "{text}"
                );
                let own = shown.get_arguments().find(|own| own.get_id() == id);
                assert!(own.unwrap().is_hide_set(), "{option}");
            }
            let text = given("--format perf-test").unwrap_err().to_string();
            assert!(text.contains("perf-test"), "{text}");
        }
    }
}
