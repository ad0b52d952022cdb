//! How a seed is put together: from its line of the list, and what its store holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quorate_consensus::conclave::Step;
use quorate_consensus::{Conclave, Council, Now, Proof, Scheme, Signer, assembly};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::candidacies::Candidacies;
use super::desk::Desk;
use super::storing::Storing;
use super::{ABSTAIN, COMPARE_EVERY, Seed};
use crate::admission::AllowAll;
use crate::config::{Options, SeedList};
use crate::error::StartError;
use crate::event::Event;
use crate::protocol::{Purpose, RoleKind};
use crate::roles::Outbox;
use crate::roles::connections::{Connections, Realm};
use crate::roles::fetching::Fetching;
use crate::roles::probing::Probes;
use crate::roles::reputation::Reputation;
use crate::roles::seats::Seats;
use crate::roles::suspicion::Suspicions;
use crate::roles::testifying::Testifying;
use crate::store::{Restored, SeedStored};

impl Seed {
    /// The seed at `address`, a line of the list, with what its store held. `seed` feeds every random choice.
    ///
    /// # Errors
    /// When the address is not on the list, an option cannot be used, or the store holds what this network's seeds
    /// never signed.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a plain fact of the one call that makes a seed"
    )]
    pub fn new(
        signer: Arc<dyn Signer>,
        scheme: Arc<dyn Scheme>,
        address: &str,
        seeds: &SeedList,
        options: Options,
        restored: Restored,
        seed: u64,
        now: Now,
    ) -> Result<Self, StartError> {
        let me = signer.id();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut electorate = seeds.electorate()?;
        let stored = restored.seats.iter().find(|(seat, _)| seat == address);
        if let Some((_, stored)) = stored.filter(|(_, stored)| *stored != me) {
            return Err(StartError::AnotherSeed {
                stored: *stored,
                key: me,
            });
        }
        // A line of the list is this seed's by its own word, unless the list is a thing of the past.
        if let Some(own) = seeds
            .position(address)
            .filter(|_| restored.steps.is_empty())
        {
            electorate.bind(own, me)?;
        }
        for (seat, id) in &restored.seats {
            // A line that is gone from the list binds nothing, and one that pins an identity binds that one.
            if let Some(seat) = seeds
                .position(seat)
                .filter(|seat| seeds.lines()[*seat].pin.is_none())
            {
                electorate.bind(seat, *id)?;
            }
        }
        let is_first = restored.steps.is_empty();
        let mut out = Outbox::default();
        // In an epoch that began by an operator's word, nobody has said anything before that.
        let is_recovered = matches!(restored.steps.last(), Some(Step::Recovered { .. }));
        if let Some(Step::Recovered { epoch, next }) = restored.steps.last() {
            out.event(Event::ElectorateRecovered {
                epoch: epoch.saturating_add(1),
                seats: next.seats.keys().cloned().collect(),
            });
        }
        let mut conclave = Conclave::new(
            signer.clone(),
            scheme.clone(),
            electorate,
            restored.steps,
            restored.said,
            quorate_consensus::Roster::new().digest(),
            assembly::Config::default(),
            rng.next_u64(),
            now,
        )
        .map_err(StartError::Handover)?;
        let lost_store = restored.abstain_until_ms > 0;
        if lost_store && !is_recovered {
            conclave.forget();
        }
        let electorate = conclave.electorate().clone();
        let Some(own) = electorate.seat_of(&me) else {
            let seats = electorate.seats().iter().map(|seat| seat.name.as_str());
            return Err(StartError::NotASeed {
                address: address.to_owned(),
                seeds: seats.collect::<Vec<_>>().join(", "),
            });
        };
        let count = electorate.seats().len();
        let mut council = Council::new(
            signer.clone(),
            scheme.clone(),
            electorate,
            options.council.clone(),
            rng.next_u64(),
        )?;
        // By the wall clock, which may have jumped back: but never longer than needed.
        if conclave.is_sealed() {
            council.seal();
        }
        let abstain = Duration::from_millis(restored.abstain_until_ms.saturating_sub(now.unix_ms));
        let abstain = abstain.min(ABSTAIN);
        if !abstain.is_zero() {
            council.abstain_until(now.instant + abstain);
        }
        for (opened_ms, vote) in restored.votes {
            council.restore_vote(opened_ms, vote);
        }
        let mut desk = Desk::default();
        for (node, answer) in restored.answers {
            desk.restore(node, answer, now);
        }
        if !abstain.is_zero() {
            out.event(Event::Abstaining(abstain));
        }
        // By who voted when each was signed. Of the last epoch's and of this, the council knows.
        let mut by_epoch: BTreeMap<u64, Vec<Arc<Proof>>> = BTreeMap::new();
        for proof in restored.proofs {
            let epoch = proof.certificate().epoch;
            by_epoch.entry(epoch).or_default().push(proof);
        }
        let mut wrong = Vec::new();
        for (epoch, proofs) in by_epoch {
            let is_past = epoch.saturating_add(1) < council.electorate().epoch();
            wrong.extend(match conclave.earlier_electorate(epoch) {
                Some(voters) if is_past => council.restore_earlier(proofs, voters),
                _ => council.restore_proofs(proofs),
            });
        }
        for error in wrong {
            if error.is_forgery() {
                return Err(error.into());
            }
            // Signed by a seed that was replaced meanwhile, say: the other seeds have a proof that can be judged.
            out.event(Event::StoreFailed(format!(
                "a stored proof cannot be judged: {error}"
            )));
        }
        // Everybody lost the session when this seed went down: time to come back before anyone is missed.
        let missed_at = now.instant + options.orphan_after + options.redial.1 * 2;
        let orphans = council
            .roster()
            .members()
            .map(|record| (record.node, missed_at))
            .collect();
        let mut this = Self {
            me,
            connections: Connections::new(
                me,
                RoleKind::Seed,
                Realm::seeded(seeds),
                &options,
                rng.next_u64(),
                now,
            ),
            seats: Seats::new(
                Purpose::Link,
                count,
                Some(own),
                options.redial,
                rng.next_u64(),
            ),
            probes: Probes::new(options.probe_timeout),
            suspicions: Suspicions::new(options.inquiry.clone()),
            testifying: Testifying::default(),
            address: address.to_owned(),
            council,
            judging: BTreeMap::new(),
            policy: Box::new(AllowAll),
            desk,
            held: BTreeMap::new(),
            credentials: restored.credentials.into_iter().collect(),
            looking: BTreeMap::new(),
            reputation: Reputation::default(),
            candidates: BTreeMap::new(),
            candidacies: Candidacies::default(),
            orphans,
            link_counts: BTreeMap::new(),
            conclave,
            lost_store,
            endorsement: None,
            endorse_at: now.instant,
            endorse_misses: 0,
            writes: BTreeMap::new(),
            next_write: 0,
            storing: Storing::default(),
            news: Vec::new(),
            news_at: now.instant,
            compare_at: now.instant + COMPARE_EVERY,
            fetching: Fetching::default(),
            has_ended: false,
            now: now.instant,
            due: None,
            options,
            signer,
            scheme,
            rng,
            out,
        };
        this.endorse_at += this.endorse_pause();
        // A line of the first list; later electorates name everybody themselves.
        if is_first && restored.seats.iter().all(|(_, id)| *id != me) {
            let address = this.address.clone();
            this.write(SeedStored::Seat { address, id: me });
        }
        this.forget_words();
        let restored: Vec<Arc<Proof>> = this
            .council
            .roster()
            .iter()
            .map(|(_, entry)| entry.proof.clone())
            .collect();
        for record in restored.iter().filter_map(|proof| proof.record()) {
            this.note_credential(record);
        }
        this.settle(now);
        Ok(this)
    }
}
