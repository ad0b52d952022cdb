//! One run: a network grows, faults happen, faults stop, and all must be well.
//!
//! While faults go on, only promises of safety are asked for. Then every process runs again but those that are dead for
//! good, all wires are whole, and within [`SETTLE_MAX`] of virtual time everybody must be where he belongs. At last a few
//! members say something, and everybody must hear it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::time::Duration;

use quorate_consensus::{Digest, NodeId};
use quorate_node::Event;
use quorate_node::roles::Request;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::cast::{self, Cast};
use crate::checkers;
use crate::clock::Clock;
use crate::dice::{Dice as _, mix};
use crate::fact::Violation;
use crate::faults::{self, Remedy, Stage};
use crate::host::HostId;
use crate::meter::Metrics;
use crate::network::Weather;
use crate::options::{FaultKind, NetworkKind, Options};
use crate::people;
use crate::planting;
use crate::queue::Queue;
use crate::story::{self, Cue};
use crate::world::{Death, World};

/// Within how much virtual time after the last fault everybody is where he belongs.
pub const SETTLE_MAX: Duration = Duration::from_secs(240);

/// Within how much virtual time what is said then is heard by all.
pub const HEARD_MAX: Duration = Duration::from_secs(30);

/// How often a run is looked at.
const SLICE: Duration = Duration::from_millis(500);

/// Over so many hosts, frames are not decoded again from their bytes: nodes share what they know.
const RECODED_MAX: usize = 200;

/// How a run went so far, for who watches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Virtual time since the start.
    pub now: Duration,
    /// When faults stop.
    pub faults_end: Duration,
    /// How many inputs roles were given.
    pub steps: u64,
    /// How many nodes run.
    pub running: usize,
    /// How many of them are members by their own word.
    pub joined: usize,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// What it was made of.
    pub options: Options,
    /// The hash of everything that happened, in order.
    pub hash: Digest,
    /// How many entries that hash covers.
    pub entries: u64,
    /// How much virtual time passed.
    pub now: Duration,
    /// How many inputs roles were given.
    pub steps: u64,
    /// The first promise that was broken.
    pub violation: Option<Violation>,
    /// The last that happened, a line each.
    pub last: Vec<String>,
    /// What was counted.
    pub metrics: Metrics,
    /// Why the log is not whole, if there is one and it is not.
    pub log_error: Option<io::Error>,
}

struct Run<'a> {
    options: &'a Options,
    world: World,
    cast: Cast,
    rng: ChaCha8Rng,
    cues: Queue<Cue>,
    joined: BTreeMap<HostId, bool>,
    /// Who was denied once.
    denied: BTreeSet<NodeId>,
    calm: Weather,
}

/// Runs a network. `log` gets a line for everything that happens; `watch` is called now and then.
pub fn run(
    options: &Options,
    log: Option<Box<dyn Write + Send>>,
    watch: &mut dyn FnMut(Progress),
) -> Outcome {
    match options.planted.as_deref().map(planting::find).transpose() {
        Ok(fault) => planting::with(fault, || run_as_is(options, log, watch)),
        Err(what) => Outcome {
            options: options.clone(),
            hash: Digest::new([0; 32]),
            entries: 0,
            now: Duration::ZERO,
            steps: 0,
            metrics: Metrics::default(),
            violation: Some(Violation {
                checker: "options",
                at: Duration::ZERO,
                what,
            }),
            last: Vec::new(),
            log_error: None,
        },
    }
}

fn run_as_is(
    options: &Options,
    log: Option<Box<dyn Write + Send>>,
    watch: &mut dyn FnMut(Progress),
) -> Outcome {
    let mut rng = ChaCha8Rng::seed_from_u64(mix(options.seed, 3));
    let calm = weather(&mut rng);
    let mut world = World::new(options.seed, calm, cast::scheme(options.signatures));
    world.recodes = options.nodes <= RECODED_MAX;
    world.attacks_until = options.duration;
    if let Some(log) = log {
        world.trace.log_to(log);
    }
    for checker in checkers::all(options.network) {
        world.watch(checker);
    }
    let assembled = cast::assemble(&mut world, options, &mut rng);
    let mut run = Run {
        options,
        world,
        cast: Cast::default(),
        rng,
        cues: Queue::default(),
        joined: BTreeMap::new(),
        denied: BTreeSet::new(),
        calm,
    };
    let violation = match assembled {
        Ok(cast) => {
            run.cast = cast;
            run.play(watch).err()
        }
        Err(what) => Some(Violation {
            checker: "options",
            at: Duration::ZERO,
            what,
        }),
    };
    let mut world = run.world;
    let log_error = world.trace.end_log().err();
    Outcome {
        options: options.clone(),
        hash: world.trace.hash(),
        entries: world.trace.count(),
        now: world.now(),
        steps: world.steps,
        violation,
        last: world.trace.last(),
        metrics: world.metrics(),
        log_error,
    }
}

fn weather(rng: &mut ChaCha8Rng) -> Weather {
    let ms = Duration::from_millis;
    let latency = *rng
        .pick(&[
            (ms(0), ms(1)),
            (ms(1), ms(10)),
            (ms(5), ms(60)),
            (ms(10), ms(120)),
        ])
        .unwrap_or(&(ms(1), ms(2)));
    Weather {
        latency,
        jitter_percent: rng.random_range(0..100),
        ..Weather::CALM
    }
}

impl Run<'_> {
    fn play(&mut self, watch: &mut dyn FnMut(Progress)) -> Result<(), Violation> {
        for (at, cue) in story::plan(self.options, &self.cast, &mut self.rng) {
            self.cues.push(at, cue);
        }
        let end = self.options.duration;
        while self.world.now() < end {
            let slice = (self.world.now() + SLICE).min(end);
            self.advance(slice)?;
            watch(self.progress());
        }
        self.heal();
        self.settle(SETTLE_MAX, watch)?;
        self.world
            .tell("all is well; a few say something".to_owned());
        for _ in 0..3 {
            self.speak();
        }
        self.settle(HEARD_MAX, watch)
    }

    /// Lets the world go on, and does what is due meanwhile.
    fn advance(&mut self, end: Duration) -> Result<(), Violation> {
        loop {
            let next = self.cues.next_at().map_or(end, |at| at.min(end));
            self.world.run_until(next)?;
            for (host, event) in self.world.take_news() {
                self.hear(host, &event);
            }
            if self.world.now() < next {
                continue;
            }
            match self.cues.pop_by(next) {
                Some((_, cue)) => self.act(cue),
                None if next >= end => return Ok(()),
                None => {}
            }
        }
    }

    fn hear(&mut self, host: HostId, event: &Event) {
        match event {
            Event::Joined { .. } => {
                self.joined.insert(host, true);
            }
            Event::Evicted { .. } => {
                self.joined.insert(host, false);
            }
            _ => {}
        }
        if let Some((span, deed)) = people::react(
            &self.world,
            host,
            event,
            self.options.seed,
            &mut self.denied,
            &mut self.rng,
        ) {
            self.cues.push(self.world.now() + span, Cue::Deed(deed));
        }
    }

    fn act(&mut self, cue: Cue) {
        let now = self.world.now();
        match cue {
            Cue::Start(host) => {
                if self.cast.candidates.remove(&host) {
                    self.cast.servers.push(host);
                }
                if !self.cast.gone.contains(&host) {
                    self.world.start(host);
                }
            }
            Cue::Deed(deed) => {
                if let Some(pause) = people::act(&mut self.world, deed, &mut self.rng) {
                    self.cues.push(now + pause, Cue::Deed(deed));
                }
            }
            Cue::Say => self.speak(),
            Cue::Talk => {
                self.speak();
                let pause = self.rng.wait(Duration::from_millis(600));
                if now < self.options.duration {
                    self.cues.push(now + pause, Cue::Talk);
                }
            }
            Cue::Leave(host) => {
                if self.world.host(host).is_running() && !self.is_all_there_is(host) {
                    self.world.ask(host, Request::Leave);
                }
            }
            Cue::Vanish(host) => self.vanish(host),
            Cue::VanishHub => self.hub().into_iter().for_each(|hub| self.vanish(hub)),
            Cue::Strike(fault) => self.strike(fault),
            Cue::Remedy(remedy) => self.remedy(remedy),
        }
    }

    /// Whether an open network would end with this node: only one of all may found it.
    fn is_all_there_is(&self, host: HostId) -> bool {
        let is_founder = self.cast.nodes.first() == Some(&host);
        let chain = self
            .world
            .host(host)
            .process
            .as_ref()
            .and_then(|process| process.chain());
        let members = chain.map_or(0, |chain| chain.membership().len());
        self.options.network == NetworkKind::Open && is_founder && members < 2
    }

    /// A node dies for good, if the network can go on without it.
    fn vanish(&mut self, host: HostId) {
        let stage = self.stage();
        let is_open = stage.options.network == NetworkKind::Open;
        if is_open && !stage.can_lose_one() {
            return;
        }
        stage.cast.gone.insert(host);
        let death = if stage.rng.one_in(2) {
            Death::Killed
        } else {
            Death::PowerLost
        };
        self.world.kill(host, death);
    }

    /// The honest node with the most connections.
    fn hub(&self) -> Option<HostId> {
        let running = |id: &HostId| self.world.host(*id).is_running();
        let honest = self.honest().into_iter().filter(running);
        honest.max_by_key(|id| self.world.host(*id).connections())
    }

    fn strike(&mut self, fault: FaultKind) {
        let now = self.world.now();
        if now >= self.options.duration {
            return;
        }
        if let Some((span, remedy)) = faults::strike(fault, &mut self.stage()) {
            self.cues.push(now + span, Cue::Remedy(remedy));
        }
        let pause = self.rng.wait(Duration::from_secs(12));
        self.cues.push(now + pause, Cue::Strike(fault));
    }

    const fn stage(&mut self) -> Stage<'_> {
        Stage {
            world: &mut self.world,
            cast: &mut self.cast,
            rng: &mut self.rng,
            options: self.options,
        }
    }

    fn remedy(&mut self, remedy: Remedy) {
        match remedy {
            Remedy::Start(host) => self.act(Cue::Start(host)),
            Remedy::Resume(host) => self.world.resume(host),
            Remedy::Mend => {
                self.world.tell("all wires are whole".to_owned());
                self.world.mend();
            }
            Remedy::Weather => *self.world.weather_mut() = self.calm,
            Remedy::Read(host) => self.world.set_reading(host, None),
            Remedy::Clock(host) => self.world.change_clock(host, Clock::correct),
            Remedy::Disk(host) => self.world.host_mut(host).disk_max = Duration::from_millis(5),
            Remedy::Repair(host) => {
                self.world.host_mut(host).disk.set_failing(false);
                self.world.kill(host, Death::Killed);
                self.act(Cue::Start(host));
            }
        }
    }

    /// All faults end. Who left stays away.
    fn heal(&mut self) {
        self.world.tell("faults stop".to_owned());
        let now = self.world.now();
        let planned: Vec<Cue> = std::iter::from_fn(|| self.cues.pop_by(Duration::MAX))
            .map(|(_, cue)| cue)
            .collect();
        let mut remedies = Vec::new();
        for cue in planned {
            match cue {
                Cue::Remedy(remedy) => remedies.push(remedy),
                Cue::Start(host) => remedies.push(Remedy::Start(host)),
                Cue::Deed(deed) => self.cues.push(now, Cue::Deed(deed)),
                _ => {}
            }
        }
        remedies.into_iter().for_each(|remedy| self.remedy(remedy));
        self.remedy(Remedy::Mend);
        self.remedy(Remedy::Weather);
        self.world.truth_mut().gone.clone_from(&self.cast.gone);
    }

    /// Lets time pass until all is well.
    fn settle(&mut self, max: Duration, watch: &mut dyn FnMut(Progress)) -> Result<(), Violation> {
        let end = self.world.now() + max;
        loop {
            let next = self.world.now() + SLICE;
            self.advance(next)?;
            watch(self.progress());
            match self.world.settled() {
                Ok(()) => return Ok(()),
                Err(violation) if next >= end => return Err(violation),
                Err(_) => {}
            }
        }
    }

    fn speak(&mut self) {
        let honest = self.honest();
        people::speak(&mut self.world, &honest, &mut self.rng);
    }

    fn honest(&self) -> Vec<HostId> {
        self.cast
            .nodes
            .iter()
            .copied()
            .filter(|id| self.world.host(*id).is_honest())
            .collect()
    }

    fn progress(&self) -> Progress {
        let running = self
            .cast
            .nodes
            .iter()
            .filter(|id| self.world.host(**id).is_running());
        Progress {
            now: self.world.now(),
            faults_end: self.options.duration,
            steps: self.world.steps,
            running: running.clone().count(),
            joined: running
                .filter(|id| self.joined.get(id) == Some(&true))
                .count(),
        }
    }
}
