//! Drives: `loadgen floors`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::measure::{floors, ground, host, own_cost};
use crate::options::values;
use crate::report::measured::UNFIT;
use crate::report::quantile::Quantiles;
use crate::report::summary::floor_times;
use crate::report::text::table;

/// What the host can do.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// Measure writes in DIR, which should be on the broker's own file system
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,

    /// Bytes of a round trip, and, rounded up to blocks of 4 KiB, of a write
    #[arg(long, value_name = "BYTES", default_value = "1024", value_parser = values::size)]
    pub size: usize,

    /// How often each is done
    #[arg(long, value_name = "N", default_value = "5000",
        value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub count: u32,

    /// Measure what loadgen itself adds, too: its latency beside that of a bare loop, against a
    /// server that answers at once
    #[arg(long = "self")]
    pub own: bool,

    /// How long before a send to stop sleeping and spin, for --self
    #[arg(long, value_name = "US", default_value = "50")]
    pub spin_us: u32,

    /// CPUs for the side that asks [default: the last]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub cpus: Vec<usize>,

    /// Write the figures and facts of this host to FILE
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Measures and prints them.
pub fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let host = host::facts();
    let cores = ground::cores(&args.cpus)?;
    let found = floors::measure(Some(&args.dir), args.size, args.count, &cores)?;
    print!(
        "{}",
        table(found.iter().map(|(name, times)| (*name, times)))
    );
    let own = match args.own {
        true => Some(own_cost::measure(
            args.size,
            u64::from(args.spin_us) * 1_000,
            &cores,
        )?),
        false => None,
    };
    if let Some(own) = &own {
        print_own(own, args.spin_us);
    }
    let unfit = own.as_ref().and_then(own_cost::OwnCost::unfit);
    if let Some(path) = &args.json {
        let figures = floor_times(found.iter().map(|(name, times)| (*name, times)));
        let all = json!({
            "loadgen": corelane_wire::version::version(), "host": host, "dir": args.dir,
            "size": args.size, "count": args.count, "floors_us": figures,
            "own_cost_us": own.map(|own| json!({
                "bare": Quantiles::of(&own.bare), "loadgen": Quantiles::of(&own.own),
                "bare_cpu_us": own.cpu_us().0, "loadgen_cpu_us": own.cpu_us().1,
                "added": own.added_ns.iter().map(|ns| *ns as f64 / 1e3).collect::<Vec<_>>(),
                "fit": own.unfit().is_none(), "unfit": own.unfit(),
            })),
        });
        fs::write(path, format!("{all:#}\n"))?;
    }
    Ok(match unfit {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::from(UNFIT),
    })
}

/// What loadgen itself adds, in time and in CPU time.
fn print_own(own: &own_cost::OwnCost, spin_us: u32) {
    let rows = [
        ("produce, by a bare loop", &own.bare),
        ("produce, by loadgen", &own.own),
    ];
    println!("\n{}", table(rows).trim_end());
    let (low, high) = own.half_ns();
    match own.unfit() {
        None => println!(
            "loadgen adds {:.1} µs to the median (of {} rounds, in turns; half of them: \
             {:.1} to {:.1})",
            own.median_ns() as f64 / 1e3,
            own.added_ns.len(),
            low as f64 / 1e3,
            high as f64 / 1e3,
        ),
        Some(why) => println!(
            "UNFIT: what loadgen adds cannot be told here: {why}. Try again when the machine \
             is quiet, or keep other work off two CPUs and name one of them with --cpus"
        ),
    }
    let (bare, loadgen) = own.cpu_us();
    println!(
        "CPU of the asking thread: {bare:.1} µs for a request by the bare loop, {loadgen:.1} by \
         loadgen; both spin for up to {spin_us} µs before a send"
    );
}
