//! What a seed does with its council's outputs: it sends, stores, and tells what was decided.

use std::sync::Arc;

use quorate_consensus::{NodeId, Now, Proof, Proposal, Standing, Vote, council};

use super::{Persisted, Seed};
use crate::event::{Event, Party, address_of};
use crate::protocol::{Message, Purpose, Refusal, RosterMessage};
use crate::store::SeedStored;

impl Seed {
    pub(super) fn carry_out(&mut self, output: council::Output, now: Now) {
        match output {
            council::Output::Send { to, message } => {
                // Not linked: the council sends again, and tells all when the link is up.
                if let Some(conn) = self.link_to(to) {
                    self.out.send(conn, Message::Council(message));
                }
            }
            council::Output::Judge { id, proposal } => self.judge(id, &proposal, now),
            council::Output::Persist { id, durable } => {
                let write = self.write(SeedStored::Council(durable));
                self.writes.insert(write, Persisted::Council(id));
            }
            council::Output::Counted { proposal, vote } => self.tell_vote(&proposal, &vote),
            council::Output::Decided { proposal, decision } => {
                if matches!(*proposal, Proposal::Motion(_)) {
                    self.tell_endorsement(decision, now);
                } else {
                    self.tell_decision(&proposal, decision);
                }
            }
            council::Output::Committed {
                node,
                proof,
                previous,
            } => {
                let was = previous.map(|entry| (entry.key.incarnation, entry.key.standing));
                self.announce(node, &proof, was, now);
            }
            council::Output::Widened { node, proof } => {
                // So that those who know other seeds than the first signers can check it too.
                let sessions = self.connections.to(node).collect();
                self.out.send_all(
                    sessions,
                    Message::Roster(RosterMessage::Proofs(vec![proof])),
                );
            }
            council::Output::Equivocated(evidence) => self.out.event(Event::Equivocation(evidence)),
        }
    }

    pub(super) fn tell_vote(&mut self, proposal: &Proposal, vote: &Vote) {
        let (subject, voter) = (self.subject(proposal), self.party(vote.voter));
        let (choice, reason) = (vote.choice, vote.reason.clone());
        match proposal {
            Proposal::Admit(_) => self.out.event(Event::RegisterVote {
                candidate: subject,
                voter,
                choice,
                reason,
            }),
            Proposal::Evict(_) => self.out.event(Event::DeadVote {
                suspect: subject,
                voter,
                choice,
                reason,
            }),
            Proposal::Motion(_) => {}
        }
    }

    pub(super) fn tell_decision(&mut self, proposal: &Proposal, decision: council::Decision) {
        self.held.remove(&proposal.id());
        let refusal = match decision {
            // What follows from it is announced with the standing.
            council::Decision::Carried(_) => return,
            council::Decision::Defeated(noes) => Refusal::Defeated(noes),
            council::Decision::Expired { silent } => Refusal::Expired { silent },
            council::Decision::Superseded(proof) => Refusal::Settled(proof),
            council::Decision::NotDurable => {
                Refusal::Unacceptable("this seed cannot store the decision".to_owned())
            }
        };
        let reason = refusal.describe(|node| self.party(node).to_string());
        match proposal {
            Proposal::Admit(record) => {
                if let Some(conn) = self.candidates.remove(&record.node) {
                    self.out.event(Event::RegisterRefused {
                        candidate: self.subject(proposal),
                        reason,
                    });
                    self.out.send(conn, Message::RegisterRefused(refusal));
                }
            }
            Proposal::Evict(report) => self.refuse_report(report, reason),
            Proposal::Motion(_) => {}
        }
    }

    /// A standing changed, durably: the members are told, and a node that is out is cut off.
    pub(super) fn announce(
        &mut self,
        node: NodeId,
        proof: &Arc<Proof>,
        was: Option<(u64, Standing)>,
        now: Now,
    ) {
        let Some((_, key)) = proof.claims() else {
            return;
        };
        if was == Some((key.incarnation, key.standing)) && key.standing != Standing::Admitted {
            // The same end, by another report. It is no event, but all rosters are to hold the same proof.
            self.tell_members(std::slice::from_ref(proof));
            return;
        }
        if let Some(record) = proof.record() {
            self.note_credential(record);
        }
        let was_member = was.is_some_and(|(_, standing)| standing == Standing::Admitted);
        self.suspicions
            .handle_standing(&node, self.council.roster());
        let member = Party {
            id: node,
            address: address_of(proof),
        };
        let electorate = self.council.electorate();
        let (votes, quorum) = (proof.certificate().votes.len(), electorate.quorum());
        let seeds = electorate.seats().len();
        self.out.event(match key.standing {
            Standing::Admitted => Event::Admitted {
                member,
                incarnation: key.incarnation,
                votes,
                quorum,
                seeds,
            },
            Standing::Evicted => Event::DeadConfirmed {
                member,
                incarnation: key.incarnation,
                votes,
                quorum,
            },
            Standing::Left => Event::Left(member),
        });
        match key.standing {
            Standing::Admitted => {
                // Who is in learns it at once, the others with whoever else came at about the same time.
                self.candidates.remove(&node);
                self.note_admitted(&node);
                if let Some(session) = self.connections.find(node, Purpose::Register) {
                    let own = RosterMessage::Proofs(vec![proof.clone()]);
                    self.out.send(session, Message::Roster(own));
                    self.greet(node);
                } else {
                    self.orphans
                        .insert(node, now.instant + self.options.orphan_after);
                }
                self.news.push(proof.clone());
                self.tell_news(now);
            }
            Standing::Evicted | Standing::Left => {
                if key.standing == Standing::Evicted {
                    self.reputation.died(&node, key.incarnation);
                }
                self.tell_members(std::slice::from_ref(proof));
                self.orphans.remove(&node);
                self.link_counts.remove(&node);
                if was_member {
                    self.cut(node, proof);
                }
            }
        }
    }
}
