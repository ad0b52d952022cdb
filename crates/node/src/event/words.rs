//! Events in words: the lines of the documents' logs.

use std::fmt;

use quorate_consensus::{Choice, DeadReport, Finding};

use super::{Event, Party, Way};

fn list(parties: &[Party]) -> String {
    let names: Vec<_> = parties.iter().map(ToString::to_string).collect();
    names.join(", ")
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SeedConnected(seed) => write!(f, "Connected to seed {seed}"),
            Self::SeedLost { seed, cause } => write!(f, "Lost seed {seed}: {cause}"),
            Self::SeedIdentified { address, id } => write!(f, "Seed {address} is {id}"),
            Self::SeedIdentityChanged {
                address,
                expected,
                found,
            } => write!(
                f,
                "SEED IDENTITY CHANGED at {address}: expected {expected}, got {found}; not trusted. If the seed was set \
                 up anew, pin its new id in the third column of config.csv"
            ),
            Self::Refused {
                remote,
                by_us: true,
                reason,
            } => write!(f, "Refused {remote}: {reason}"),
            Self::Refused {
                remote,
                by_us: false,
                reason,
            } => write!(f, "Refused by {remote}: {reason}"),
            Self::LinkUp(peer) => write!(f, "Linked to {peer}"),
            Self::LinkDown { peer, cause } => write!(f, "Link to {peer} is down: {cause}"),
            Self::RegisterRequest {
                candidate,
                incarnation,
                way,
            } => match way {
                Way::Received => write!(
                    f,
                    "REGISTER_REQUEST received from {candidate} (incarnation {incarnation})"
                ),
                Way::Sent => write!(
                    f,
                    "REGISTER_REQUEST sent for {candidate} (incarnation {incarnation})"
                ),
            },
            Self::RegisterProposal {
                candidate,
                proposer,
            } => {
                write!(f, "REGISTER_PROPOSAL for {candidate} by seed {proposer}")
            }
            Self::RegisterVote {
                candidate,
                voter,
                choice,
                reason,
            } => {
                write!(
                    f,
                    "REGISTER_VOTE on {candidate} from seed {voter}: {choice} ({reason})"
                )
            }
            Self::RegisterRefused { candidate, reason } => {
                write!(f, "REGISTER refused for {candidate}: {reason}")
            }
            Self::Admitted {
                member,
                incarnation,
                votes,
                quorum,
                seeds,
            } => write!(
                f,
                "REGISTER committed: {member} (incarnation {incarnation}) with {votes} of {seeds} votes, quorum {quorum}"
            ),
            Self::Joined { incarnation } => {
                write!(f, "Joined the network (incarnation {incarnation})")
            }
            Self::PeerList { from, members } => {
                write!(f, "Peer list received from {from}: [{}]", list(members))
            }
            Self::Message(delivery) => write!(
                f,
                "GOSSIP received (first time): '{}' from {}",
                String::from_utf8_lossy(&delivery.payload),
                delivery.from
            ),
            Self::Gap {
                origin,
                incarnation,
                first,
                last,
            } => write!(
                f,
                "GAP: messages {first} to {last} of {origin} (incarnation {incarnation}) have not come"
            ),
            Self::Suspected { suspect, cause } => write!(f, "SUSPECTED {suspect}: {cause}"),
            Self::SuspectRequest {
                suspect,
                other,
                way,
            } => write!(f, "SUSPECT_REQUEST about {suspect} {way} {other}"),
            Self::SuspectResponse {
                suspect,
                witness,
                finding,
                cause,
                way,
            } => {
                let finding = match finding {
                    Finding::Unreachable => "unreachable",
                    Finding::Alive => "alive",
                };
                match way {
                    Way::Sent => write!(
                        f,
                        "SUSPECT_RESPONSE about {suspect} sent: {finding} ({cause})"
                    ),
                    Way::Received => {
                        write!(
                            f,
                            "SUSPECT_RESPONSE about {suspect} received from {witness}: {finding} ({cause})"
                        )
                    }
                }
            }
            Self::SuspicionDropped { suspect, reason } => {
                write!(f, "Suspicion of {suspect} dropped: {reason}")
            }
            Self::DeadReport {
                report,
                reporter,
                way,
            } => {
                let line = dead_node_line(report, reporter);
                match way {
                    Way::Sent => write!(f, "DEAD_REPORT sent to the seeds: {line}"),
                    Way::Received => write!(f, "DEAD_REPORT received from {reporter}: {line}"),
                }
            }
            Self::DeadReportRefused {
                suspect,
                reporter,
                reason,
            } => {
                write!(
                    f,
                    "DEAD_REPORT about {suspect} by {reporter} refused: {reason}"
                )
            }
            Self::FalseReport {
                reporter,
                suspect,
                count,
            } => write!(
                f,
                "FALSE_REPORT about {suspect} by {reporter}: {count} of its last reports were refuted by this seed"
            ),
            Self::DeadProposal { suspect, proposer } => {
                write!(f, "DEAD_PROPOSAL for {suspect} by seed {proposer}")
            }
            Self::DeadVote {
                suspect,
                voter,
                choice,
                reason,
            } => {
                write!(
                    f,
                    "DEAD_VOTE on {suspect} from seed {voter}: {choice} ({reason})"
                )
            }
            Self::Abstaining(span) => write!(
                f,
                "The store is lost, the key is not: this seed gives no votes for {span:?}, and takes part in changing the seeds again when enough others are linked"
            ),
            Self::Abstained { about, reason } => {
                write!(f, "No vote on {about} from this seed: {reason}")
            }
            Self::DeadConfirmed {
                member,
                incarnation,
                votes,
                quorum,
            } => write!(
                f,
                "DEAD_CONFIRMED {member} (incarnation {incarnation}) with {votes} votes, quorum {quorum}"
            ),
            Self::Left(member) => write!(f, "{member} has left"),
            Self::Evicted { incarnation } => {
                write!(f, "Evicted by vote (incarnation {incarnation})")
            }
            Self::Equivocation(evidence) => write!(
                f,
                "EQUIVOCATION: {} voted both yes and no on proposal {}",
                evidence.first.voter, evidence.first.proposal
            ),
            Self::Registered { node } => write!(f, "REGISTER {node}"),
            Self::LeaseEnded { node } => write!(f, "{node} is gone"),
            Self::BootstrapAnswered { address, members } => {
                write!(f, "Bootstrap {address} knows {members} members")
            }
            Self::BootstrapLost { address, cause } => {
                write!(f, "Bootstrap {address} does not answer: {cause}")
            }
            Self::NoWayIn { reason } => write!(f, "No network was found: {reason}"),
            Self::Founded {
                network,
                after: None,
            } => write!(f, "Founded network {network}"),
            Self::Founded {
                network,
                after: Some(after),
            } => write!(f, "Founded network {network}, which goes on from {after}"),
            Self::NewIdentity { lost } => write!(
                f,
                "The store of {lost} is lost, and with it what it said: this is a new node"
            ),
            Self::JoinRequest { candidate, .. } => {
                write!(f, "Join request from peer {candidate}")
            }
            Self::JoinWithdrawn { candidate } => {
                write!(f, "Join request from peer {candidate} withdrawn")
            }
            Self::Opinion {
                candidate,
                voter,
                choice: Choice::Yes,
                ..
            } => write!(f, "{voter} allows {candidate}"),
            Self::Opinion {
                candidate,
                voter,
                choice: Choice::No,
                reason,
            } => write!(f, "{voter} denies {candidate}: {reason}"),
            Self::JoinStatus { allowed, waiting } => write!(
                f,
                "Allowed by [{}], waiting for [{}]",
                list(allowed),
                list(waiting)
            ),
            Self::JoinHindered { member, reason } => {
                write!(f, "{member} does not take up the join request: {reason}")
            }
            Self::JoinRefused { denied } => {
                let denied: Vec<String> = denied
                    .iter()
                    .map(|(party, reason)| format!("{party} ({reason})"))
                    .collect();
                write!(f, "Not let in: denied by {}", denied.join(", "))
            }
            Self::Entered {
                member,
                incarnation,
                epoch,
                members,
            } => write!(
                f,
                "{member} is in (incarnation {incarnation}, epoch {epoch}, {members} members)"
            ),
            Self::Stuck {
                silent,
                members,
                quorum,
            } => write!(
                f,
                "Nothing can be decided: waiting for {}; {quorum} of {members} members are needed",
                list(silent)
            ),
            Self::Contradiction(evidence) => write!(f, "CONTRADICTION: {evidence}"),
            Self::SeatWanted { candidate, by } => {
                write!(f, "SEAT wanted for {candidate} by {by}: seat {candidate}")
            }
            Self::SeatChallenged { seed, by } => {
                write!(f, "SEAT of {seed} challenged by seed {by}: unseat {seed}")
            }
            Self::ElectorateDecided { seats } => write!(
                f,
                "ELECTORATE decided: next are {}; no votes until a quorum holds one roster",
                seats.join(", ")
            ),
            Self::ElectorateChanged { epoch, seats } => {
                write!(f, "ELECTORATE of epoch {epoch}: {}", seats.join(", "))
            }
            Self::ElectorateRecovered { epoch, seats } => write!(
                f,
                "RECOVERED: the electorate of epoch {epoch} ({}) was made by an operator's word, without a vote",
                seats.join(", ")
            ),
            Self::Unseated { epoch } => {
                write!(f, "UNSEATED: this node votes no more since epoch {epoch}")
            }
            Self::Endorsed { epoch, standings } => {
                write!(
                    f,
                    "ENDORSED: {standings} standings by the seeds of epoch {epoch}"
                )
            }
            Self::StoreFailed(why) => write!(f, "Cannot store: {why}"),
            Self::VotingStopped => {
                f.write_str("This seed gives no votes until it can store what it says")
            }
            Self::VotingResumed => f.write_str("This seed can store again, and gives votes again"),
            Self::Lagged(count) => {
                write!(f, "{count} events were dropped: the listener is too slow")
            }
            Self::ShuttingDown => f.write_str("Shutting down."),
        }
    }
}

/// `Dead Node:<DeadNode.IP>:<DeadNode.Port>:<timestamp>:<reporter.IP>`, the documents' report line. The timestamp is
/// when the inquiry was opened, in seconds since the Unix epoch.
pub fn dead_node_line(report: &DeadReport, reporter: &Party) -> String {
    let address = reporter.address.as_deref().unwrap_or_default();
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let (seconds, millis) = (report.opened_ms / 1000, report.opened_ms % 1000);
    format!(
        "Dead Node:{}:{seconds}.{millis:03}000:{host}",
        report.endpoint
    )
}
