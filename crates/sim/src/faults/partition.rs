//! The network is in two parts for a while. Or, where seeds vote, only the peers are: their switch is broken, and seeds are
//! on another one, so that they reach everybody whom the peers take for dead.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Remedy, Stage, seconds};
use crate::dice::Dice as _;
use crate::host::HostId;
use crate::options::NetworkKind;

/// Once in so many times seeds are spared.
const SPARED_ONE_IN: u32 = 3;

pub(super) fn strike(stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    let part = stage.some();
    let rest = stage.others(&part);
    let spares_seeds =
        stage.options.network == NetworkKind::Seeded && stage.rng.one_in(SPARED_ONE_IN);
    let cut = |hosts: BTreeSet<HostId>| -> BTreeSet<HostId> {
        let servers = &stage.cast.servers;
        let is_cut = |host: &HostId| !spares_seeds || !servers.contains(host);
        hosts.into_iter().filter(is_cut).collect()
    };
    let (part, rest) = (cut(part), cut(rest));
    stage.world.tell(format!(
        "{} hosts are cut off from {}: {part:?}",
        part.len(),
        rest.len()
    ));
    stage.world.cut(part.clone(), rest.clone());
    stage.world.cut(rest, part);
    Some((stage.rng.span(seconds(1), seconds(25)), Remedy::Mend))
}
