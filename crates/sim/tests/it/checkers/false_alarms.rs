//! What is as it should be is not reported.

use bytes::Bytes;
use quorate_node::roles::Request;
use quorate_sim::checkers;
use quorate_sim::fact::Violation;
use quorate_sim::host::HostId;
use quorate_sim::options::NetworkKind;
use quorate_sim::world::{Death, World};

use super::small::{SECOND, hosts, open, run, seeded, settle, start_all};

fn watched(kind: NetworkKind, seed: u64) -> World {
    let mut world = match kind {
        NetworkKind::Seeded => seeded(seed, 5),
        NetworkKind::Open => open(seed, 5),
    };
    checkers::all(kind)
        .into_iter()
        .for_each(|checker| world.watch(checker));
    world
}

fn say(world: &mut World, host: usize) {
    world.ask(
        HostId(host),
        Request::Broadcast(Bytes::from(format!("{host}"))),
    );
}

#[test]
fn nothing_is_reported_of_a_quiet_network() {
    for kind in [NetworkKind::Seeded, NetworkKind::Open] {
        let mut world = watched(kind, 1);
        let quiet = || -> Result<(), Violation> {
            start_all(&mut world);
            settle(&mut world, SECOND * 60)?;
            say(&mut world, 3);
            say(&mut world, 4);
            settle(&mut world, SECOND * 10)
        }();
        assert_eq!(quiet, Ok(()), "{kind:?}");
    }
}

#[test]
fn nothing_is_reported_of_a_network_that_survives() {
    for kind in [NetworkKind::Seeded, NetworkKind::Open] {
        for seed in 1..4 {
            let mut world = watched(kind, seed);
            let last = HostId(world.host_count() - 1);
            let survives = || -> Result<(), Violation> {
                start_all(&mut world);
                settle(&mut world, SECOND * 60)?;
                say(&mut world, 3);
                world.kill(HostId(0), Death::PowerLost);
                run(&mut world, SECOND)?;
                say(&mut world, 4);
                world.start(HostId(0));
                run(&mut world, SECOND * 3)?;
                world.cut(hosts([1, 3]), hosts([0, 2, 4]));
                say(&mut world, 3);
                world.pause(HostId(2));
                run(&mut world, SECOND * 8)?;
                world.mend();
                world.resume(HostId(2));
                world.ask(HostId(3), Request::Leave);
                run(&mut world, SECOND * 5)?;
                world.start(HostId(3));
                world.kill(last, Death::Killed);
                world.truth_mut().gone.insert(last);
                settle(&mut world, SECOND * 120)?;
                say(&mut world, 4);
                settle(&mut world, SECOND * 20)
            }();
            assert_eq!(survives, Ok(()), "{kind:?}, seed {seed}");
        }
    }
}
