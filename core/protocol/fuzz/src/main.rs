//! The targets on stable Rust, without coverage: seeds are mutated until the time is over.
//!
//! ```text
//! cargo run --release -- [--target NAME|all] [--seconds N] [--seed S]
//! cargo run --release -- --target NAME --input HEX           one input, to see why it failed
//! ```

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ferrio_protocol_fuzz::mutate::{Random, mutate};
use ferrio_protocol_fuzz::{TARGETS, Target};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::FAILURE;
        }
    };
    let mut failed = 0;
    for target in &options.targets {
        let result = match &options.input {
            Some(input) => execute(target, input).map(|()| 1),
            None => hunt(target, options.seconds, options.seed),
        };
        match result {
            Ok(executions) => println!("{:<18} {executions} executions", target.name),
            Err(input) => {
                failed += 1;
                let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
                println!("{:<18} FAILED; again with: --target {} --input {hex}", target.name, target.name);
            }
        }
    }
    println!("{} passed, {failed} failed", options.targets.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Options {
    targets: Vec<&'static Target>,
    seconds: Duration,
    seed: u64,
    input: Option<Vec<u8>>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options =
            Self { targets: TARGETS.iter().collect(), seconds: Duration::from_secs(5), seed: 1, input: None };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
            let bad = |_| format!("{name} {value}: not a number");
            match name.as_str() {
                "--target" if value == "all" => {}
                "--target" => options.targets.retain(|target| target.name == value),
                "--seconds" => options.seconds = Duration::from_secs(value.parse().map_err(bad)?),
                "--seed" => options.seed = value.parse().map_err(bad)?,
                "--input" => options.input = Some(from_hex(&value).ok_or("--input wants hexadecimal digits")?),
                _ => return Err(format!("unknown option {name}")),
            }
        }
        if options.targets.is_empty() {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            return Err(format!("targets: {}", names.join(", ")));
        }
        Ok(options)
    }
}

/// How many inputs held, or the one that did not.
fn hunt(target: &Target, time: Duration, seed: u64) -> Result<u64, Vec<u8>> {
    let seeds = (target.seeds)();
    let mut random = Random::new(seed);
    let mut executions = 0;
    let start = Instant::now();
    for input in &seeds {
        execute(target, input)?;
        executions += 1;
    }
    while start.elapsed() < time {
        execute(target, &mutate(&seeds, &mut random))?;
        executions += 1;
    }
    Ok(executions)
}

fn execute(target: &Target, input: &[u8]) -> Result<(), Vec<u8>> {
    let start = Instant::now();
    let result = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    if start.elapsed() > TOO_SLOW {
        println!("{}: one input took {:?}", target.name, start.elapsed());
        return Err(input.to_vec());
    }
    result.map_err(|_| input.to_vec())
}

/// Inputs have a few kilobytes and take microseconds; this much time means that something is not linear (or the machine slept).
const TOO_SLOW: Duration = Duration::from_secs(2);

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
