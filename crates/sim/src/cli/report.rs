//! How a run ended, in words and as JSON.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

use quorate_sim::fact::Violation;
use quorate_sim::meter::Metrics;
use quorate_sim::options::{FaultKind, NetworkKind, Options, Signatures};
use quorate_sim::run::Outcome;
use serde::Serialize;

/// How many digits of a trace's hash tell two runs apart on a swarm's line.
const HASH_DIGITS: usize = 16;

/// A run that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its number in a swarm.
    pub(super) number: Option<u64>,
    pub(super) outcome: Outcome,
    /// How long it took.
    pub(super) real: Duration,
}

/// The JSON form. Times are whole microseconds.
#[derive(Debug, Serialize)]
struct Json<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<u64>,
    command: String,
    options: String,
    seed: u64,
    network: &'static str,
    nodes: usize,
    held: bool,
    violation: Option<Broken<'a>>,
    last: &'a [String],
    virtual_us: u64,
    real_us: u64,
    hash: String,
    entries: u64,
    metrics: &'a Metrics,
}

#[derive(Debug, Serialize)]
struct Broken<'a> {
    promise: &'static str,
    at_us: u64,
    what: &'a str,
}

impl Ended {
    /// Everything about it.
    pub(super) fn full(&self) -> String {
        let outcome = &self.outcome;
        let mut text = format!("{}\n\n", command(&outcome.options));
        if outcome.options.signatures == Signatures::Unproven {
            text += "signatures are unproven: nothing that is signed proves anything in this run\n";
        }
        // Writing to a string does not fail.
        let _written = writeln!(text, "{}", self.times());
        let _written = writeln!(
            text,
            "trace {} of {} entries\n",
            outcome.hash, outcome.entries
        );
        let _written = writeln!(text, "{}\n", outcome.metrics);
        match self.failure() {
            None => text += "all promises held\n",
            Some(failure) => text += &failure,
        }
        text
    }

    fn times(&self) -> String {
        let (now, real) = (self.outcome.now.as_secs_f64(), self.real.as_secs_f64());
        let ratio = now / real.max(1e-6);
        format!("{now:.3} s of virtual time in {real:.3} s, {ratio:.1} times as fast")
    }

    /// What was broken, what came before, and how to see it again.
    pub(super) fn failure(&self) -> Option<String> {
        let outcome = &self.outcome;
        let violation = outcome.violation.as_ref()?;
        let mut text = format!("BROKEN with seed {}: {violation}\n", outcome.options.seed);
        if !outcome.last.is_empty() {
            text += "the last that happened:\n";
        }
        for line in &outcome.last {
            let _written = writeln!(text, "  {line}");
        }
        let command = command(&outcome.options);
        let _written = writeln!(text, "to repeat it:\n  {command}");
        let _written = writeln!(text, "to see everything that happens:\n  {command} --trace");
        Some(text)
    }

    /// A line of a swarm.
    pub(super) fn line(&self) -> String {
        let options = &self.outcome.options;
        let servers = match options.network {
            NetworkKind::Seeded => format!("{} seeds", options.seeds),
            NetworkKind::Open => String::new(),
        };
        let liars = options.liars.iter().map(|liar| liar.name()).collect();
        let hash: String = self.outcome.hash.to_string();
        let end = match &self.outcome.violation {
            None => "ok".to_owned(),
            Some(Violation { checker, .. }) => format!("BROKEN: {checker}"),
        };
        format!(
            "{:>5}  seed {:<20}  {:<6} {:>4} nodes {servers:<8}  {:>5.1} s in {:>6.2} s  {}  {end}  faults {}  liars {}",
            self.number.unwrap_or_default(),
            options.seed,
            options.network.name(),
            options.nodes,
            self.outcome.now.as_secs_f64(),
            self.real.as_secs_f64(),
            hash.get(..HASH_DIGITS).unwrap_or(&hash),
            faults(options),
            list(liars),
        )
    }

    /// The JSON form, on one line.
    pub(super) fn json(&self) -> String {
        let outcome = &self.outcome;
        let violation = outcome.violation.as_ref();
        let json = Json {
            run: self.number,
            command: command(&outcome.options),
            options: outcome.options.to_string(),
            seed: outcome.options.seed,
            network: outcome.options.network.name(),
            nodes: outcome.options.nodes,
            held: violation.is_none(),
            violation: violation.map(|violation| Broken {
                promise: violation.checker,
                at_us: micros(violation.at),
                what: &violation.what,
            }),
            last: violation.map_or(&[], |_| &outcome.last),
            virtual_us: micros(outcome.now),
            real_us: micros(self.real),
            hash: outcome.hash.to_string(),
            entries: outcome.entries,
            metrics: &outcome.metrics,
        };
        // Nothing in it can fail to be JSON: no maps, and no numbers that it lacks.
        serde_json::to_string(&json).unwrap_or_default()
    }
}

/// The command that makes a run again, from anywhere in the workspace.
pub(super) fn command(options: &Options) -> String {
    let features = options.planted.as_ref().map(|_| " --features planted");
    let features = features.unwrap_or_default();
    format!("cargo run --release -p quorate-sim{features} -- {options}")
}

/// Writes to the standard output. A reader that has gone away has seen enough.
pub(super) fn write_out(text: &str) {
    let mut out = io::stdout().lock();
    let _written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn faults(options: &Options) -> String {
    if options.faults.len() == FaultKind::ALL.len() {
        return "all".to_owned();
    }
    list(options.faults.iter().map(|fault| fault.name()).collect())
}

fn list(names: Vec<&str>) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(",")
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use quorate_consensus::Digest;
    use quorate_sim::dishonest::Conduct;
    use serde_json::Value;

    use super::*;

    /// A run that went well, or did not.
    pub(in crate::cli) fn ended(number: Option<u64>, held: bool) -> Ended {
        let violation = Violation {
            checker: "agreement",
            at: Duration::from_millis(1_500),
            what: "two rosters differ".to_owned(),
        };
        let options = Options {
            liars: vec![Conduct::Accuser],
            faults: FaultKind::ALL.into(),
            ..Options::new(NetworkKind::Seeded, 42)
        };
        Ended {
            number,
            outcome: Outcome {
                options,
                hash: Digest::new([0xab; 32]),
                entries: 9,
                now: Duration::from_secs(20),
                steps: 5,
                violation: (!held).then_some(violation),
                last: vec!["1.4 host 1 starts".to_owned()],
                metrics: Metrics::default(),
                log_error: None,
            },
            real: Duration::from_secs(2),
        }
    }

    #[test]
    fn a_failure_names_the_seed_the_promise_what_came_before_and_how_to_see_it_again() {
        let text = ended(None, false).full();
        let command = "cargo run --release -p quorate-sim -- --seed 42 --network seeded --nodes 30 --seeds 3 --seconds 120 \
                       --faults crash,power-loss,pause,partition,one-way,reset,stall,slow-reader,clock,slow-disk,failing-disk,lost-disk \
                       --liars accuser";
        let expected = format!(
            "BROKEN with seed 42: agreement broken at 1.500000 s: two rosters differ\n\
             the last that happened:\n  1.4 host 1 starts\n\
             to repeat it:\n  {command}\n\
             to see everything that happens:\n  {command} --trace\n"
        );
        assert!(text.ends_with(&expected), "{text}");
        assert!(!text.contains("all promises held"));
        assert!(text.contains("20.000 s of virtual time in 2.000 s, 10.0 times as fast"));
    }

    #[test]
    fn a_run_that_went_well_says_no_more_than_that() {
        let text = ended(None, true).full();
        assert!(text.ends_with("\nall promises held\n"));
        assert!(!text.contains("host 1 starts"));
    }

    #[test]
    fn the_json_of_a_failure_has_its_promise_time_and_last_events() {
        let json: Value = serde_json::from_str(&ended(Some(7), false).json()).unwrap();
        assert_eq!((&json["run"], &json["held"]), (&7.into(), &false.into()));
        assert_eq!(json["violation"]["promise"], "agreement");
        assert_eq!(json["violation"]["at_us"], 1_500_000);
        assert_eq!(json["violation"]["what"], "two rosters differ");
        assert_eq!(json["last"][0], "1.4 host 1 starts");
        let json: Value = serde_json::from_str(&ended(None, true).json()).unwrap();
        assert!(json.get("run").is_none());
        assert_eq!(json["last"].as_array().unwrap().len(), 0);
    }

    #[test]
    fn a_swarms_line_has_what_the_run_was_made_of_and_how_it_ended() {
        let line = ended(Some(7), true).line();
        let words: Vec<&str> = line.split_whitespace().collect();
        let expected = "7 seed 42 seeded 30 nodes 3 seeds 20.0 s in 2.00 s abababababababab ok faults all liars accuser";
        assert_eq!(words.join(" "), expected);
        assert!(ended(Some(7), false).line().contains(" BROKEN: agreement "));
    }

    #[test]
    fn a_command_names_the_feature_it_needs() {
        let options = Options {
            planted: Some("repair-off".to_owned()),
            ..Options::new(NetworkKind::Open, 1)
        };
        let command = command(&options);
        assert!(
            command
                .starts_with("cargo run --release -p quorate-sim --features planted -- --seed 1 ")
        );
        assert!(command.ends_with(" --plant repair-off"));
    }
}
