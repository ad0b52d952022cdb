//! What its application asks a seed for, and what it answers.

use quorate_consensus::{Conclave, Now};

use super::Seed;
use crate::event::MemberInfo;
use crate::protocol::Purpose;
use crate::roles::{Reply, Request, RequestError};

impl Seed {
    /// The answer to a request; none, where the answer is that the seed stops.
    pub(super) fn reply(&mut self, request: Request, now: Now) -> Option<Reply> {
        match request {
            Request::Broadcast(_) => Some(Reply::Broadcast(Err(RequestError::NotAPeer))),
            Request::Members => {
                let members = self
                    .council
                    .roster()
                    .members()
                    .map(MemberInfo::of)
                    .collect();
                Some(Reply::Members(members))
            }
            Request::RosterDigest => {
                let digest = self.council.roster().digest();
                Some(Reply::RosterDigest(Some(digest)))
            }
            Request::Neighbors => {
                let links = self.connections.ready(Purpose::Link).map(|(_, node)| node);
                Some(Reply::Neighbors(links.collect()))
            }
            Request::Explain(node) => {
                Some(Reply::Explained(Some(Box::new(self.explain(&node, now)))))
            }
            Request::Pending => Some(Reply::Pending(self.desk.list())),
            Request::Allow(node) => Some(Reply::Done(self.operator_says(node, None, now))),
            Request::Deny(node, why) => {
                Some(Reply::Done(self.operator_says(node, Some(&why), now)))
            }
            Request::JoinAgain | Request::Refound => {
                Some(Reply::Done(Err(RequestError::NotInAssembly)))
            }
            Request::Electorate => Some(Reply::Electorate(Box::new(self.electorate_info()))),
            Request::Seat(node) => {
                let done = self.change_seats(|conclave, now| conclave.agree(node, now), now);
                Some(Reply::Done(done))
            }
            Request::Unseat(node) => {
                let done = self.change_seats(|conclave, now| conclave.unseat(node, now), now);
                Some(Reply::Done(done))
            }
            Request::Resign => {
                let done = self.change_seats(Conclave::resign, now);
                Some(Reply::Done(done))
            }
            Request::Leave => None,
        }
    }
}
