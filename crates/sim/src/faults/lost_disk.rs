//! A disk is replaced by an empty one, while the node was down.
//!
//! Seeds may lose fewer disks than a quorum has, the liars among them counted: what a quorum signed is then still known to
//! an honest one. A member of an open network that lost its disk is a new node; what it was is dead for good, so only few
//! may be, of a network that has grown.

use std::time::Duration;

use super::{Remedy, Stage, seconds};
use crate::cast;
use crate::dice::Dice as _;
use crate::host::{HostId, Kind};
use crate::options::NetworkKind;
use crate::world::Death;

/// Of fewer members none may be lost.
const MEMBERS_MIN: usize = 8;

pub(super) fn strike(stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    let back = stage.rng.span(seconds(1), seconds(10));
    match stage.options.network {
        NetworkKind::Seeded => {
            let cast = &*stage.cast;
            let lost = |id: &&HostId| {
                let is_lost = cast.lost.contains(id) || cast.gone.contains(id);
                is_lost || !stage.world.host(**id).is_honest()
            };
            let spoiled = cast.servers.iter().filter(lost).count();
            // However few have seats at some time.
            let count = cast.seats_min;
            let victim = *stage.rng.pick(&stage.cast.servers)?;
            // Fewer than would leave the rest without a quorum, and one at a time.
            if spoiled + 1 > count - (count / 2 + 1) || !stage.world.host(victim).is_running() {
                return None;
            }
            stage.cast.lost.insert(victim);
            stage.world.kill(victim, Death::Killed);
            stage.world.lose_disk(victim);
            Some((back, Remedy::Start(victim)))
        }
        NetworkKind::Open => {
            let victim = stage.victim()?;
            if stage.world.host(victim).setup.kind != Kind::Member || !stage.can_lose_one() {
                return None;
            }
            stage.cast.lost.insert(victim);
            stage.world.kill(victim, Death::Killed);
            stage.world.lose_disk(victim);
            let key = cast::key(stage.options.signatures, stage.rng);
            stage.world.rekey(victim, key);
            Some((back, Remedy::Start(victim)))
        }
    }
}

impl Stage<'_> {
    /// Whether an open network goes on without one more of those who were ever in it.
    pub(crate) fn can_lose_one(&self) -> bool {
        let memberships = self
            .cast
            .nodes
            .iter()
            .filter_map(|id| self.world.host(*id).process.as_ref()?.chain());
        let members = memberships
            .map(|chain| chain.membership().len())
            .min()
            .unwrap_or(0);
        members >= MEMBERS_MIN && (self.cast.lost.len() + self.cast.gone.len() + 1) * 4 <= members
    }
}
