//! How a node that is to become a seed gets its seat: it asks the seeds, and follows the handovers until one names it.

use std::sync::Arc;
use std::time::Duration;

use quorate_consensus::conclave::{self, Conclave, Step};
use quorate_consensus::{Ed25519, Electorate, NodeId, Record, Roster, assembly};
use tokio::time::{Instant, sleep, timeout_at};

use crate::builder::random_seed;
use crate::client::{Client, ClientError};
use crate::config::SeedList;
use crate::error::StartError;
use crate::identity::Identity;
use crate::protocol::{Message, Purpose, RoleKind};
use crate::runtime;
use crate::store::Restored;

/// How long one seed is listened to before the next is asked.
const LISTEN: Duration = Duration::from_millis(500);

/// How long after all were asked they are asked again.
const ROUND: Duration = Duration::from_secs(1);

/// How old a request becomes before it is signed anew: seeds take up none of more than 24 h.
const REQUEST_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// What a node has found out on its way to a seat.
pub(crate) struct Seated {
    /// Who was met at which line of the seed list.
    pub(crate) met: Vec<(String, NodeId)>,
    /// The handovers, up to the electorate in which it has a seat.
    pub(crate) steps: Vec<Step>,
}

/// Waits until the seeds have given this node a seat.
pub(crate) async fn wait_for_seat(
    identity: &Identity,
    endpoints: &[String],
    seeds: &SeedList,
    restored: &Restored,
) -> Result<Seated, StartError> {
    let me = identity.id();
    let mut first = seeds.electorate()?;
    for (line, id) in &restored.seats {
        if let Some(seat) = seeds.position(line) {
            first.bind(seat, *id)?;
        }
    }
    let mut steps = restored.steps.clone();
    let mut follower = Follower::new(identity, first, &steps)?;
    let mut request = (Instant::now(), sign(identity, endpoints, seeds)?);
    loop {
        let seats: Vec<_> = follower.0.electorate().seats().to_vec();
        for (seat, place) in seats.iter().enumerate() {
            if follower.0.electorate().contains(&me) {
                let met = follower.met(seeds);
                return Ok(Seated { met, steps });
            }
            let epoch = follower.0.electorate().epoch();
            let asked = follower.ask(seat, &place.name, identity, seeds, &request.1);
            match asked.await {
                Ok(news) => steps.extend(news),
                Err(error) => {
                    tracing::debug!(seed = %place.name, %error, "cannot ask for a seat");
                }
            }
            if follower.0.electorate().epoch() != epoch {
                break;
            }
        }
        if request.0.elapsed() > REQUEST_MAX {
            request = (Instant::now(), sign(identity, endpoints, seeds)?);
        }
        if !follower.0.electorate().contains(&me) {
            sleep(ROUND).await;
        }
    }
}

fn sign(identity: &Identity, endpoints: &[String], seeds: &SeedList) -> Result<Record, StartError> {
    let now_ms = runtime::start_time().unix_ms;
    let (key, network) = (identity.key(), seeds.network());
    Ok(Record::sign(
        key,
        network,
        endpoints.to_vec(),
        1,
        now_ms,
        now_ms,
    )?)
}

/// One who follows the chain without a say.
struct Follower(Conclave);

impl Follower {
    fn new(identity: &Identity, first: Electorate, steps: &[Step]) -> Result<Self, StartError> {
        let conclave = Conclave::new(
            Arc::new(identity.key().clone()),
            Arc::new(Ed25519),
            first,
            steps.iter().cloned(),
            Vec::new(),
            Roster::new().digest(),
            assembly::Config::default(),
            random_seed()?,
            runtime::start_time(),
        );
        Ok(Self(conclave.map_err(StartError::Handover)?))
    }

    /// Asks one seed for a seat, and takes in the handovers that it shows.
    async fn ask(
        &mut self,
        seat: usize,
        address: &str,
        identity: &Identity,
        seeds: &SeedList,
        request: &Record,
    ) -> Result<Vec<Step>, ClientError> {
        let (purpose, role) = (Purpose::Link, RoleKind::Seed);
        let mut client = Client::connect(identity, address, seeds, purpose, role).await?;
        let (from, now) = (client.remote(), runtime::start_time());
        if let Err(error) = self.0.bind(seat, from, now) {
            tracing::warn!(%error, "not trusted: another key answers at a seed's address");
            return Ok(Vec::new());
        }
        let epoch = conclave::Message::Epoch(self.0.electorate().epoch());
        let nominated = conclave::Message::Nominated(Box::new(request.clone()));
        for message in [nominated, epoch] {
            client.send(&Message::Electorate(message)).await?;
        }
        let until = Instant::now() + LISTEN;
        let mut steps = Vec::new();
        while let Ok(message) = timeout_at(until, client.receive()).await {
            let Message::Electorate(message @ conclave::Message::Handovers(_)) = message? else {
                continue;
            };
            // A forged one is not taken in, and one that cannot be judged comes again.
            let _taken = self.0.handle_message(from, message, runtime::start_time());
            while let Some(output) = self.0.poll_output() {
                if let conclave::Output::HandedOver { handover, .. } = output {
                    steps.push(Step::HandedOver(handover));
                }
            }
            if !steps.is_empty() {
                break;
            }
        }
        Ok(steps)
    }

    /// Who was met at the lines of the list that this node started with.
    fn met(&self, seeds: &SeedList) -> Vec<(String, NodeId)> {
        let first = self.0.first_electorate();
        let seats = first.seats().iter();
        let met = seats.filter_map(|seat| Some((seat.name.clone(), seat.voter?)));
        met.filter(|(line, _)| seeds.position(line).is_some())
            .collect()
    }
}
