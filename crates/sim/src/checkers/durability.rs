//! **Durability**: nothing that was said, told or decided is undone by crashes and restarts.
//!
//! Of honest seeds (`seeds`):
//!
//! - a vote is sent only when it is on the voter's disk, and nobody votes both ways on one proposal within an
//!   epoch, ever;
//! - a standing is shown (as news, in an exchange of rosters, as the reason of a refusal) and told to the application only
//!   when a proof of it, or of a larger one, is on this seed's disk, wherever it came from;
//! - what is written of a node never replaces a larger standing by a lesser one;
//! - after a restart the roster holds at least what the disk did;
//! - in the end all rosters hold at least what any honest seed that runs ever committed.
//!
//! Of honest members (`members`):
//!
//! - own opinions, accusations, leaves, promises and acceptances are sent only when they are on the disk, and no chain is
//!   shown that is not;
//! - nobody contradicts itself: allows and denies one record, accepts twice in a ballot, or promises to hide an acceptance;
//! - chains only grow, also across restarts: whoever has shown a head holds it for ever, as long as it is in that network.
//!
//! A disk that was lost takes with it what was on it; what was said before still binds a seed, unless its wall clock
//! jumped too: it waits for all attempts to close, by its clock. A member without its disk is another node.
//!
//! Left out: what a process wrote while it died may be on its disk or not, and counts as both; and peers, who keep nothing.

mod members;
mod seeds;

use super::Checker;
use crate::fact::{Fact, View};
use members::Members;
use seeds::Seeds;

/// Watches that nothing is undone.
#[derive(Debug, Default)]
pub struct Durability {
    seeds: Seeds,
    members: Members,
}

impl Checker for Durability {
    fn name(&self) -> &'static str {
        "durability"
    }

    fn see(&mut self, fact: &Fact<'_>, view: View<'_>) -> Result<(), String> {
        let host = match fact {
            Fact::Started(host) | Fact::DiskLost(host) => *host,
            Fact::Told { host, .. }
            | Fact::Sent { host, .. }
            | Fact::Durable { host, .. }
            | Fact::MayBeDurable { host, .. } => *host,
            _ => return Ok(()),
        };
        if !view.host(host).is_honest() {
            return Ok(());
        }
        self.seeds.see(host, fact, view)?;
        self.members.see(host, fact, view)
    }

    fn settled(&mut self, view: View<'_>) -> Result<(), String> {
        self.seeds.settled(view)
    }
}
