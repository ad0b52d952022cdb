//! Clocks drift, and wall clocks jump.

use std::time::Duration;

use rand::RngExt as _;

use super::{Remedy, Stage, seconds};
use crate::clock::DRIFT_MAX;
use crate::dice::Dice as _;

pub(super) fn strike(stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    let victim = stage.victim()?;
    // A minute forward or back is less than what lets an old attempt be voted on again.
    let (ppm, jump_ms) = (
        stage.rng.random_range(-DRIFT_MAX..=DRIFT_MAX),
        stage.rng.random_range(-60_000..=60_000),
    );
    let jumps = stage.rng.one_in(2);
    stage.world.change_clock(victim, |clock, now| {
        clock.drift(now, ppm);
        if jumps {
            clock.jump(jump_ms);
        }
    });
    stage.world.tell(format!(
        "the clock of {victim} runs wrong: {ppm} ppm, {jump_ms} ms at most"
    ));
    Some((
        stage.rng.span(seconds(5), seconds(40)),
        Remedy::Clock(victim),
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use quorate_consensus::{NodeId, Unproven};
    use quorate_node::{Admission, Discovery, Options as NodeOptions, SeedList};
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::cast::Cast;
    use crate::clock::Clock;
    use crate::host::{HostId, Kind, Setup};
    use crate::network::Weather;
    use crate::options::{NetworkKind, Options};
    use crate::world::World;

    /// How much later than its clock says a role may be woken: what the runtime's loop takes for a turn.
    const LATE_MAX: Duration = Duration::from_micros(10);

    /// A peer that has nobody to talk to, and tries again at long intervals.
    fn lonely() -> (World, HostId) {
        let mut world = World::new(1, Weather::CALM, Arc::new(Unproven));
        let seeds = SeedList::parse("10.255.0.1,5010\n").unwrap();
        world.truth_mut().electorate = Some(seeds.electorate().unwrap());
        world.truth_mut().seeds = Some(seeds);
        let setup = Setup {
            kind: Kind::Peer,
            conduct: None,
            options: NodeOptions::default(),
            discovery: Discovery::default(),
            admission: Admission::default(),
        };
        let signer = Unproven::signer(NodeId::from(1));
        let host = world.add("10.0.0.1:5000".to_owned(), Arc::new(signer), setup);
        world.start(host);
        (world, host)
    }

    /// What its role waits for, and when the host's clock will show that.
    fn due(world: &World, host: HostId) -> (Instant, Duration) {
        let host = world.host(host);
        let process = host.process.as_ref().unwrap();
        let due = process.role().poll_timeout().unwrap();
        (due, host.clock.when(due))
    }

    #[test]
    fn a_role_is_woken_on_time_though_its_clock_changes_while_it_waits() {
        let (mut world, host) = lonely();
        let options = Options::new(NetworkKind::Seeded, 1);
        let mut cast = Cast {
            nodes: vec![host],
            ..Cast::default()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for round in 0..100 {
            let (_, at) = due(&world, host);
            let half_way = world.now() + at.saturating_sub(world.now()) / 2;
            world.run_until(half_way).unwrap();
            if round % 2 == 0 {
                // Nobody is struck where a server would be, as there is none.
                while strike(&mut Stage {
                    world: &mut world,
                    cast: &mut cast,
                    rng: &mut rng,
                    options: &options,
                })
                .is_none()
                {}
            } else {
                world.change_clock(host, Clock::correct);
            }
            let (wanted, at) = due(&world, host);
            let end = at.max(world.now()) + LATE_MAX;
            world.run_until(end).unwrap();
            let (next, _) = due(&world, host);
            assert!(next > wanted, "not woken at {at:?}, in round {round}");
        }
    }
}
