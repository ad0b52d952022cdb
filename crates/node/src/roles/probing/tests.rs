//! Whose turn it is, and what silence says.

use super::*;
use crate::config::{Options, SeedList};
use crate::protocol::RoleKind;
use crate::roles::Output;
use crate::roles::connections::Realm;
use waiting::{YOUNG_MAX, YOUNG_PER_HOST_MAX};

const TIMEOUT: Duration = Duration::from_secs(1);

struct Probing {
    probes: Probes,
    connections: Connections,
    out: Outbox,
    now: Now,
}

impl Probing {
    fn new() -> Self {
        let now = Now {
            instant: Instant::now(),
            unix_ms: 0,
        };
        let seeds = SeedList::parse("127.0.0.1,1").unwrap();
        let (me, options) = (NodeId::from(1), Options::default());
        Self {
            probes: Probes::new(TIMEOUT),
            connections: Connections::new(
                me,
                RoleKind::Seed,
                Realm::seeded(&seeds),
                &options,
                1,
                now,
            ),
            out: Outbox::default(),
            now,
        }
    }

    fn start(&mut self, target: u64) {
        self.probes.start(
            NodeId::from(target),
            vec!["127.0.0.1:2".to_owned()],
            &mut self.connections,
            self.now,
            &mut self.out,
        );
    }

    /// Queues a candidate at an address, for a vote that is open for 5 s.
    fn queue(&mut self, target: u64, address: &str) -> ProbeId {
        let (endpoints, record) = (vec![address.to_owned()], Digest::new([1; 32]));
        let until = self.now.instant + TIMEOUT * 5;
        let id = self
            .probes
            .queue(NodeId::from(target), endpoints, record, until);
        self.turn(|_| Wanted::Now);
        id
    }

    /// Candidates whose turn it is are dialled; returns how many dials there were since this was last asked.
    fn turn(&mut self, wanted: impl Fn(ProbeId) -> Wanted) {
        self.probes.start_waiting(
            |id, _| wanted(id),
            &mut self.connections,
            self.now,
            &mut self.out,
        );
    }

    /// The dials since this was last asked, in their order.
    fn dials(&mut self) -> Vec<DialId> {
        let outputs = std::iter::from_fn(|| self.out.pop());
        let dial = |output| match output {
            Output::Dial { dial, .. } => Some(dial),
            _ => None,
        };
        outputs.filter_map(dial).collect()
    }

    fn done(&mut self) -> Vec<(u64, Outcome)> {
        let done = std::iter::from_fn(|| self.probes.poll_done());
        done.map(|probed| (probed.probe.0, probed.outcome))
            .collect()
    }

    fn time_out(&mut self, after: Duration) -> Vec<Outcome> {
        let now = self.now.after(after);
        self.probes
            .handle_timeout(&mut self.connections, now, &mut self.out);
        std::iter::from_fn(|| self.probes.poll_done())
            .map(|probed| probed.outcome)
            .collect()
    }
}

#[test]
fn a_probe_that_was_not_made_says_nothing_of_the_node() {
    let mut probing = Probing::new();
    for target in 0..PROBES_MAX as u64 {
        probing.start(target);
    }
    assert_eq!(probing.probes.poll_done(), None);
    probing.start(5000);
    let refused = probing.probes.poll_done().unwrap();
    assert!(
        matches!(refused.outcome, Outcome::NotKnown(_)),
        "{refused:?}"
    );
}

#[test]
fn candidates_leave_room_for_the_probes_of_members() {
    let mut probing = Probing::new();
    for target in 0..PROBES_MAX as u64 {
        probing.queue(target, "127.0.0.1:2");
    }
    let refused = std::iter::from_fn(|| probing.probes.poll_done()).count();
    assert_eq!(refused, PROBES_MAX / 2);
    probing.start(5000);
    assert_eq!(probing.probes.poll_done(), None);
}

#[test]
fn candidates_wait_for_a_place_in_their_order_and_members_do_not() {
    let mut probing = Probing::new();
    let own_host = |number: usize| format!("10.0.0.{number}:1");
    let ids: Vec<ProbeId> = (0..YOUNG_MAX + 3)
        .map(|number| probing.queue(number as u64, &own_host(number)))
        .collect();
    let dials = probing.dials();
    assert_eq!(dials.len(), YOUNG_MAX);
    probing.start(5000);
    assert_eq!(probing.dials().len(), 1);
    // Two ended: the two that have waited longest are next.
    for dial in &dials[..2] {
        let refused = DialError::Refused("nobody".to_owned());
        probing.probes.handle_dial_failed(*dial, &refused);
    }
    let asked = std::cell::RefCell::new(Vec::new());
    probing.turn(|id| {
        asked.borrow_mut().push(id);
        Wanted::Now
    });
    assert_eq!(probing.dials().len(), 2);
    assert_eq!(asked.into_inner(), ids[YOUNG_MAX..YOUNG_MAX + 2]);
}

#[test]
fn a_candidate_has_its_whole_time_from_when_its_turn_comes() {
    let mut probing = Probing::new();
    for number in 0..YOUNG_PER_HOST_MAX + 1 {
        probing.queue(number as u64, "127.0.0.1:2");
    }
    assert_eq!(probing.dials().len(), YOUNG_PER_HOST_MAX);
    // The first say nothing, and give up their places long before they are given up.
    let wakes = probing.probes.poll_timeout().unwrap();
    let waited = wakes - probing.now.instant;
    assert!(waited < TIMEOUT, "{waited:?}");
    probing.now = probing.now.after(waited);
    probing.turn(|_| Wanted::Now);
    assert_eq!(probing.dials().len(), 1);
    assert_eq!(probing.time_out(TIMEOUT - waited).len(), YOUNG_PER_HOST_MAX);
    assert_eq!(
        probing.time_out(TIMEOUT - Duration::from_millis(1)).len(),
        0
    );
    assert_eq!(probing.time_out(TIMEOUT).len(), 1);
}

#[test]
fn one_host_leaves_places_to_others() {
    let mut probing = Probing::new();
    for number in 0..100 {
        probing.queue(number, &format!("10.0.0.1:{}", number + 1));
    }
    assert_eq!(probing.dials().len(), YOUNG_PER_HOST_MAX);
    probing.queue(100, "10.0.0.2:1");
    assert_eq!(probing.dials().len(), 1);
}

#[test]
fn who_is_not_wanted_any_more_is_not_probed_and_who_is_spare_comes_last() {
    let mut probing = Probing::new();
    for number in 0..YOUNG_PER_HOST_MAX as u64 {
        probing.queue(number, "127.0.0.1:2");
    }
    let [gone, spare, wanted] = [100, 101, 102].map(|number| probing.queue(number, "127.0.0.1:2"));
    let dials = probing.dials();
    let how = |id| match id {
        id if id == gone => Wanted::No,
        id if id == spare => Wanted::Spare,
        _ => Wanted::Now,
    };
    let refused = DialError::Refused("nobody".to_owned());
    probing.probes.handle_dial_failed(dials[0], &refused);
    assert_eq!(probing.done().len(), 1);
    probing.turn(how);
    assert_eq!(probing.dials().len(), 1);
    let given_up = probing.done();
    assert!(
        matches!(&given_up[..], [(id, Outcome::NotKnown(_))] if *id == gone.0),
        "{given_up:?}"
    );
    for (dial, id) in [(1, wanted), (2, spare)] {
        assert!(probing.probes.probes.contains_key(&wanted), "{id:?}");
        assert_eq!(probing.probes.probes.contains_key(&spare), id == spare);
        probing.probes.handle_dial_failed(dials[dial], &refused);
        probing.turn(how);
    }
}

#[test]
fn a_turn_that_does_not_come_in_time_says_nothing_of_the_candidate() {
    let mut probing = Probing::new();
    for number in 0..=500 {
        probing.queue(number, "127.0.0.1:2");
    }
    let mut outcomes = Vec::new();
    while outcomes.len() <= 500 {
        let wakes = probing.probes.poll_timeout().unwrap();
        probing.now = probing.now.after(wakes - probing.now.instant);
        outcomes.extend(probing.time_out(Duration::ZERO));
        probing.turn(|_| Wanted::Now);
        outcomes.extend(probing.done().into_iter().map(|(_, outcome)| outcome));
    }
    let places = YOUNG_PER_HOST_MAX * 20;
    let is_silent = |outcome: &&Outcome| matches!(outcome, Outcome::Silent(_));
    assert_eq!(outcomes.iter().filter(is_silent).count(), places);
    let is_not_known = |outcome: &&Outcome| **outcome == Outcome::NotKnown(TOO_MANY.to_owned());
    let not_known = outcomes.iter().filter(is_not_known).count();
    assert_eq!(not_known, outcomes.len() - places);
}

#[test]
fn silence_counts_only_while_this_node_was_listening() {
    for (after, is_silence) in [(TIMEOUT, true), (TIMEOUT * 3, false)] {
        let mut probing = Probing::new();
        probing.start(2);
        let outcomes = probing.time_out(after);
        let is_as_expected = match &outcomes[..] {
            [Outcome::Silent(_)] => is_silence,
            [Outcome::NotKnown(_)] => !is_silence,
            _ => false,
        };
        assert!(is_as_expected, "after {after:?}: {outcomes:?}");
    }
}
