//! The operator's prompt: what is typed there, and how candidates and seeds are called.

use std::collections::{BTreeMap, VecDeque};

use quorate_node::{ElectorateInfo, Event, MemberInfo, NodeId, Party, PendingCandidate};

/// The fewest digits of a key that name a candidate.
const KEY_DIGITS_MIN: usize = 6;

/// And a seed, or anybody else: as many as are shown of a key.
const SHOWN_DIGITS: usize = 8;

/// How many are remembered of those who were kept out, left or were evicted: the oldest are forgotten.
const GONE_MAX: usize = 256;

pub(crate) const HELP: [&str; 10] = [
    "pending              who waits for your word",
    "allow WHO            lets a candidate in, as far as this seed is concerned",
    "deny WHO [REASON]    keeps it out for an hour, and tells it why",
    "explain WHO          why somebody is in, out or pending",
    "seeds                who votes, and who is to",
    "seat WHO             agrees to a seat for a node that wants one; all seeds have to",
    "unseat WHO           wants a seed unseated; all others have to",
    "resign               gives up this seed's own seat",
    "config               the seed list of now, for nodes that are to start with it",
    "WHO is a candidate's number, an address, the beginning of a key, or the whole key of anybody.",
];

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Nothing,
    Pending,
    Help,
    Allow(NodeId),
    Deny(NodeId, String),
    Explain(NodeId),
    Seeds,
    Seat(NodeId),
    Unseat(NodeId),
    Resign,
    Config,
}

/// Who waits, each by a number that it keeps.
#[derive(Debug, Default)]
pub(crate) struct Prompt {
    waiting: BTreeMap<u64, Party>,
    last: u64,
    /// Seeds, and who wants to be one.
    seats: Vec<Party>,
    members: Vec<Party>,
    /// Who is none of these any more, the last first.
    gone: VecDeque<Party>,
}

impl Prompt {
    /// Something happened. Returns what to tell the operator beside it.
    pub(crate) fn handle_event(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::JoinRequest { candidate, .. } => {
                let number = self.number_of(candidate);
                Some(format!(
                    "{candidate} waits for your word: allow {number}, or deny {number} and why"
                ))
            }
            Event::JoinWithdrawn { candidate } => {
                self.waiting.retain(|_, party| party.id != candidate.id);
                None
            }
            Event::RegisterRefused {
                candidate: party, ..
            }
            | Event::DeadConfirmed { member: party, .. }
            | Event::Left(party) => {
                self.gone.retain(|gone| gone != party);
                self.gone.push_front(party.clone());
                self.gone.truncate(GONE_MAX);
                None
            }
            _ => None,
        }
    }

    /// Who is in now.
    pub(crate) fn know_members(&mut self, members: &[MemberInfo]) {
        let party = |member: &MemberInfo| Party {
            id: member.id,
            address: member.endpoints.first().cloned(),
        };
        self.members = members.iter().map(party).collect();
    }

    /// Who sits where now, and who wants to: they can be called by their addresses and keys.
    pub(crate) fn know_seats(&mut self, info: &ElectorateInfo) {
        let of_seat = |(address, voter): &(String, Option<NodeId>)| {
            let address = Some(address.clone());
            voter.map(|id| Party { id, address })
        };
        let wanted = info.wanted.iter().map(|it| it.candidate.clone());
        self.seats = info
            .seats
            .iter()
            .filter_map(of_seat)
            .chain(wanted)
            .collect();
    }

    /// Who sits where, and who wants to, in words.
    pub(crate) fn show_seats(info: &ElectorateInfo) -> Vec<String> {
        let changing = if info.is_changing { ", changing" } else { "" };
        let mut lines = vec![format!(
            "Epoch {}: {} of {} seeds decide{changing}",
            info.epoch,
            info.quorum,
            info.seats.len()
        )];
        lines.extend(info.seats.iter().map(|(address, voter)| {
            let voter = voter.map_or("not met yet".to_owned(), |voter| voter.to_string());
            format!("  {address}  {voter}")
        }));
        lines.extend(info.wanted.iter().map(|it| {
            let waiting: Vec<String> = it.waiting.iter().map(ToString::to_string).collect();
            format!(
                "  {} wants a seat; not agreed: {}",
                it.candidate,
                waiting.join(", ")
            )
        }));
        lines
    }

    /// What a line means, or what is wrong with it.
    pub(crate) fn read(&self, line: &str) -> Result<Command, String> {
        let (word, rest) = split(line.trim());
        let (who, reason) = split(rest);
        match (word.to_ascii_lowercase().as_str(), who) {
            ("", _) => Ok(Command::Nothing),
            ("pending", "") => Ok(Command::Pending),
            ("help", _) => Ok(Command::Help),
            ("seeds", "") => Ok(Command::Seeds),
            ("config", "") => Ok(Command::Config),
            ("resign", "") => Ok(Command::Resign),
            ("seat", who) if !who.is_empty() && reason.is_empty() => {
                self.find_seat(who).map(Command::Seat)
            }
            ("unseat", who) if !who.is_empty() && reason.is_empty() => {
                self.find_seat(who).map(Command::Unseat)
            }
            ("allow", who) if !who.is_empty() && reason.is_empty() => {
                self.find(who).map(Command::Allow)
            }
            ("explain", who) if !who.is_empty() && reason.is_empty() => {
                self.find_anybody(who).map(Command::Explain)
            }
            ("deny", who) if !who.is_empty() => {
                let who = self.find(who)?;
                Ok(Command::Deny(who, reason.to_owned()))
            }
            _ => Err(format!(
                "expected pending, allow WHO, deny WHO [REASON], explain WHO, seeds, seat WHO, unseat WHO, resign, config or \
                 help, got {line:?}"
            )),
        }
    }

    /// Who waits, by number.
    pub(crate) fn list(&mut self, pending: &[PendingCandidate]) -> Vec<String> {
        let is_there = |party: &Party| pending.iter().any(|it| it.candidate.id == party.id);
        self.waiting.retain(|_, party| is_there(party));
        if pending.is_empty() {
            return vec!["Nobody waits".to_owned()];
        }
        let line = |pending: &PendingCandidate| {
            let number = self.number_of(&pending.candidate);
            let (key, at) = (pending.candidate.id, pending.record.endpoints.join(", "));
            format!("{number}: {at} (key {key})")
        };
        pending.iter().map(line).collect()
    }

    /// A candidate was answered; how it is called.
    pub(crate) fn answered(&mut self, who: &NodeId) -> String {
        let mut name = who.short().to_string();
        self.waiting.retain(|_, party| {
            let is_it = party.id == *who;
            if is_it {
                name = party.to_string();
            }
            !is_it
        });
        name
    }

    fn number_of(&mut self, candidate: &Party) -> u64 {
        let known = self
            .waiting
            .iter()
            .find(|(_, party)| party.id == candidate.id);
        if let Some((number, _)) = known {
            return *number;
        }
        self.last += 1;
        self.waiting.insert(self.last, candidate.clone());
        self.last
    }

    fn find_seat(&self, who: &str) -> Result<NodeId, String> {
        if let Ok(id) = who.parse() {
            return Ok(id);
        }
        the_one(who, &called(who, SHOWN_DIGITS, &self.seats)).unwrap_or_else(|| {
            Err(format!(
                "Neither a seed nor a node that wants a seat is called {who}: see seeds"
            ))
        })
    }

    fn find_anybody(&self, who: &str) -> Result<NodeId, String> {
        if let Ok(id) = self.find(who) {
            return Ok(id);
        }
        let present = self.waiting.values().chain(&self.seats);
        let present = called(who, SHOWN_DIGITS, present.chain(&self.members));
        the_one(who, &present)
            .or_else(|| the_one(who, &called(who, SHOWN_DIGITS, &self.gone)))
            .unwrap_or_else(|| {
                Err(format!(
                    "Nobody known is called {who}: name it by its whole key"
                ))
            })
    }

    fn find(&self, who: &str) -> Result<NodeId, String> {
        if let Some(party) = who
            .parse()
            .ok()
            .and_then(|number| self.waiting.get(&number))
        {
            return Ok(party.id);
        }
        if let Ok(id) = who.parse() {
            return Ok(id);
        }
        match called(who, KEY_DIGITS_MIN, self.waiting.values())[..] {
            [id] => Ok(id),
            [] => Err(format!("Nobody who waits is called {who}: see pending")),
            _ => Err(format!("Several are called {who}: name one by its number")),
        }
    }
}

/// The one that was meant, or which there are; `None` if there is nobody.
fn the_one(who: &str, called: &[NodeId]) -> Option<Result<NodeId, String>> {
    match called {
        [] => None,
        [id] => Some(Ok(*id)),
        several => {
            let keys: Vec<String> = several.iter().map(ToString::to_string).collect();
            let keys = keys.join(", ");
            Some(Err(format!(
                "Several are called {who}: name one by its key, of {keys}"
            )))
        }
    }
}

/// Whose address this is, or the beginning of whose key, in at least so many digits.
fn called<'a>(
    who: &str,
    digits_min: usize,
    parties: impl IntoIterator<Item = &'a Party>,
) -> Vec<NodeId> {
    let key = who.to_ascii_lowercase();
    let is_called = |party: &&Party| {
        party.address.as_deref() == Some(who)
            || (key.len() >= digits_min && party.id.to_string().starts_with(&key))
    };
    let called = parties.into_iter().filter(is_called);
    let mut called: Vec<NodeId> = called.map(|party| party.id).collect();
    called.sort_unstable();
    called.dedup();
    called
}

fn split(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim_start())
}

#[cfg(test)]
mod tests {
    use quorate_node::SeatWanted;
    use quorate_node::consensus::{NetworkId, Record, Unproven};

    use super::*;

    fn record(number: u64) -> Box<Record> {
        let endpoints = vec![format!("10.0.0.1:{}", 6000 + number % 100)];
        let signer = Unproven::signer(NodeId::from(number));
        Box::new(Record::sign(&signer, NetworkId::NONE, endpoints, 1, 1, 0).unwrap())
    }

    fn asks(prompt: &mut Prompt, number: u64) -> Option<String> {
        let record = record(number);
        prompt.handle_event(&Event::JoinRequest {
            candidate: Party::from(&*record),
            record,
        })
    }

    #[test]
    fn a_candidate_keeps_its_number_until_it_is_gone() {
        let mut prompt = Prompt::default();
        let told = asks(&mut prompt, 1 << 40).unwrap();
        assert_eq!(
            told,
            "10.0.0.1:6076 waits for your word: allow 1, or deny 1 and why"
        );
        asks(&mut prompt, 2 << 40);
        asks(&mut prompt, 1 << 40);
        let [a, b] = [1, 2].map(|number| NodeId::from(number << 40));
        for who in ["2", "10.0.0.1:6052", &b.to_string()[..6], &b.to_string()] {
            let deny = Command::Deny(b, "too  late".to_owned());
            assert_eq!(
                prompt.read(&format!(" deny {who}  too  late ")),
                Ok(deny),
                "{who}"
            );
        }
        assert_eq!(prompt.read("Allow 1"), Ok(Command::Allow(a)));
        assert_eq!(prompt.answered(&a), "10.0.0.1:6076");
        assert_eq!(
            prompt.read("allow 1"),
            Err("Nobody who waits is called 1: see pending".to_owned())
        );
        // It asks again, and is another's number no more.
        assert!(asks(&mut prompt, 1 << 40).unwrap().contains("allow 3,"));
        prompt.handle_event(&Event::JoinWithdrawn {
            candidate: Party::from(&*record(2 << 40)),
        });
        assert!(prompt.read("allow 2").is_err());
        // Whoever is still to come, by its whole key.
        assert_eq!(prompt.read(&format!("allow {b}")), Ok(Command::Allow(b)));
    }

    #[test]
    fn the_list_is_what_the_node_says() {
        let mut prompt = Prompt::default();
        asks(&mut prompt, 1);
        let pending = |number| PendingCandidate {
            candidate: Party::from(&*record(number)),
            record: record(number),
            since_ms: 0,
        };
        let lines = prompt.list(&[pending(2), pending(3)]);
        let key = NodeId::from(2);
        assert_eq!(lines[0], format!("2: 10.0.0.1:6002 (key {key})"));
        assert!(lines[1].starts_with("3: ") && prompt.read("allow 1").is_err());
        assert_eq!(prompt.list(&[]), ["Nobody waits"]);
    }

    #[test]
    fn seeds_and_those_who_want_to_be_are_called_by_their_addresses() {
        let mut prompt = Prompt::default();
        let [wanting, seed] = [1 << 40, 0xabcd_ef12 << 32].map(NodeId::from);
        let info = ElectorateInfo {
            network: NetworkId::NONE,
            epoch: 3,
            quorum: 2,
            seats: vec![
                ("10.0.0.9:1".to_owned(), Some(seed)),
                ("10.0.0.9:2".to_owned(), None),
            ],
            is_changing: false,
            wanted: vec![SeatWanted {
                candidate: Party::from(&*record(1 << 40)),
                waiting: Vec::new(),
            }],
        };
        assert!(prompt.read("seat 10.0.0.1:6076").is_err());
        prompt.know_seats(&info);
        let lines = Prompt::show_seats(&info);
        assert_eq!(lines[0], "Epoch 3: 2 of 2 seeds decide");
        assert!(lines[2].ends_with("not met yet"));
        assert_eq!(prompt.read("unseat 10.0.0.9:1"), Ok(Command::Unseat(seed)));
        for who in ["10.0.0.1:6076", &wanting.to_string()[..8]] {
            let seat = prompt.read(&format!("seat {who}"));
            assert_eq!(seat, Ok(Command::Seat(wanting)), "{who}");
        }
        let key = seed.to_string();
        for who in [&key[..], &key[..8], &key[..8].to_ascii_uppercase()] {
            let unseat = prompt.read(&format!("unseat {who}"));
            assert_eq!(unseat, Ok(Command::Unseat(seed)), "{who}");
        }
        assert!(prompt.read(&format!("unseat {}", &key[..7])).is_err());
        assert!(
            prompt
                .read("unseat 10.0.0.9:2")
                .unwrap_err()
                .contains("see seeds")
        );
    }

    #[test]
    fn everybody_who_was_heard_of_can_be_explained() {
        let mut prompt = Prompt::default();
        let member = |number: u64| MemberInfo::of(&record(number));
        let explain = |prompt: &Prompt, who: &str| prompt.read(&format!("explain {who}"));
        let [a, b, c] = [1, 2, 101].map(|number| number << 40);
        let is = |number: u64| Ok(Command::Explain(NodeId::from(number)));
        asks(&mut prompt, a);
        assert_eq!(explain(&prompt, "1"), is(a));
        assert!(explain(&prompt, "10.0.0.1:6052").is_err());
        prompt.know_members(&[member(b)]);
        assert_eq!(explain(&prompt, "10.0.0.1:6052"), is(b));
        assert_eq!(explain(&prompt, &NodeId::from(b).to_string()[..8]), is(b));
        // It is thrown out, and then another comes to its place.
        prompt.handle_event(&Event::Left(Party::from(&*record(b))));
        prompt.know_members(&[]);
        assert_eq!(explain(&prompt, "10.0.0.1:6052"), is(b));
        let at_its_place = Party {
            id: NodeId::from(c),
            address: Some("10.0.0.1:6052".to_owned()),
        };
        prompt.handle_event(&Event::Left(at_its_place));
        let error = explain(&prompt, "10.0.0.1:6052").unwrap_err();
        for number in [b, c] {
            assert!(error.contains(&NodeId::from(number).to_string()), "{error}");
        }
        prompt.know_members(&[member(b)]);
        assert_eq!(explain(&prompt, "10.0.0.1:6052"), is(b));
    }

    #[test]
    fn other_lines_are_told_what_was_expected() {
        let prompt = Prompt::default();
        for (line, command) in [
            ("  ", Command::Nothing),
            ("pending", Command::Pending),
            ("HELP", Command::Help),
            ("seeds", Command::Seeds),
            ("resign", Command::Resign),
        ] {
            assert_eq!(prompt.read(line), Ok(command));
        }
        for line in ["allow", "deny", "pending 1", "y", "allow 1 2"] {
            let error = prompt.read(line).unwrap_err();
            assert!(error.starts_with("expected pending,"), "{line}: {error}");
        }
    }
}
