//! Eager links form a tree, and lazy links mend it.

use std::time::Instant;

use bytes::Bytes;
use quorate_gossip::{Config, Message, Output, Verdict};

use crate::support::network::Network;
use crate::support::{
    ANN, BOB, CAT, Engine, Id, ME, ZOE, accept, announcements, bulk, drain, engine, forwarded_to,
    gossip, grafts, ms, pass, prunes, start,
};

#[test]
fn a_link_that_brings_a_duplicate_turns_lazy_and_one_that_is_asked_turns_eager_again() {
    let now = start();
    let delay = Config::default().announce_delay;
    let mut engine = engine(Config::default(), &[ANN, BOB, CAT], now);
    let first = bulk(ZOE, 0, 10);
    assert!(accept(&mut engine, ANN, &first, now));
    engine.handle_message(BOB, gossip(&first, 1), now).unwrap();
    assert_eq!(prunes(&drain(&mut engine)), [BOB]);

    let second = bulk(ZOE, 1, 10);
    engine.handle_message(ANN, gossip(&second, 1), now).unwrap();
    settle(&mut engine, now);
    let outputs = drain(&mut engine);
    assert_eq!(forwarded_to(&outputs), [CAT]);
    assert_eq!(announcements(&outputs), []);
    let outputs = pass(&mut engine, &[ANN, BOB, CAT], now, now + delay);
    assert_eq!(announcements(&outputs), [(BOB, vec![second.id()])]);

    // Bob lacks it, and is from now on sent everything.
    let ids = vec![second.id()];
    let now = now + delay;
    engine
        .handle_message(BOB, Message::Graft { ids }, now)
        .unwrap();
    assert_eq!(forwarded_to(&drain(&mut engine)), [BOB]);
    engine
        .handle_message(ANN, gossip(&bulk(ZOE, 2, 10), 1), now)
        .unwrap();
    settle(&mut engine, now);
    assert_eq!(forwarded_to(&drain(&mut engine)), [BOB, CAT]);
}

#[test]
fn whoever_asks_not_to_be_sent_broadcasts_is_told_of_them() {
    let now = start();
    let delay = Config::default().announce_delay;
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    engine.handle_message(BOB, Message::Prune, now).unwrap();
    assert_eq!(drain(&mut engine), []);
    assert_eq!((engine.usage().neighbors, engine.usage().eager), (2, 1));

    let draft = engine.draft(Bytes::from("hello")).unwrap();
    let published = engine.publish(draft, Bytes::from("good"), now);
    assert_eq!(published.neighbors, 1);
    assert_eq!(forwarded_to(&drain(&mut engine)), [ANN]);
    let outputs = pass(&mut engine, &[ANN, BOB], now, now + delay);
    assert_eq!(announcements(&outputs), [(BOB, vec![published.id])]);
    // Once is enough.
    let outputs = pass(
        &mut engine,
        &[ANN, BOB],
        now + delay,
        now + delay + ms(1_000),
    );
    assert_eq!(announcements(&outputs), []);
}

#[test]
fn whom_we_ask_for_a_missing_content_turns_eager_again() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    let first = bulk(ZOE, 0, 10);
    assert!(accept(&mut engine, ANN, &first, now));
    engine.handle_message(BOB, gossip(&first, 1), now).unwrap();
    drain(&mut engine);
    assert_eq!(engine.usage().eager, 1);

    let second = bulk(ZOE, 1, 10);
    let ids = vec![second.id()];
    engine
        .handle_message(BOB, Message::IHave { ids: ids.clone() }, now)
        .unwrap();
    assert_eq!(grafts(&drain(&mut engine)), [(BOB, ids)]);
    assert_eq!(engine.usage().eager, 2);
}

#[test]
fn who_sends_on_regardless_is_asked_again_after_a_while_and_not_for_every_copy() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    let mut copy = |at, sequence| -> Vec<Id> {
        let content = bulk(ZOE, sequence, 10);
        assert!(accept(&mut engine, ANN, &content, at));
        engine.handle_message(BOB, gossip(&content, 1), at).unwrap();
        prunes(&drain(&mut engine))
    };
    assert_eq!(copy(now, 0), [BOB]);
    assert!(copy(now + ms(1), 1).is_empty());
    let later = now + Config::default().graft_timeout;
    assert_eq!(copy(later, 2), [BOB]);
    assert!(copy(later + ms(1), 3).is_empty());
}

#[test]
fn announcements_of_one_delay_come_together_and_only_of_what_is_stored_still() {
    let now = start();
    let config = Config {
        store_count_max: 4,
        ..Config::default()
    };
    let delay = config.announce_delay;
    let mut engine = engine(config, &[ANN, BOB], now);
    engine.handle_message(BOB, Message::Prune, now).unwrap();
    let contents: Vec<_> = (0..10).map(|sequence| bulk(ZOE, sequence, 10)).collect();
    for content in &contents {
        assert!(accept(&mut engine, ANN, content, now));
    }
    let outputs = pass(&mut engine, &[ANN, BOB], now, now + delay);
    let last = contents[6..].iter().map(|content| content.id()).collect();
    assert_eq!(announcements(&outputs), [(BOB, last)]);
    let now = now + delay;
    assert!(accept(&mut engine, ANN, &bulk(ZOE, 10, 10), now));
    engine.forget_origin(&ZOE);
    let outputs = pass(&mut engine, &[ANN, BOB], now, now + delay);
    assert!(announcements(&outputs).is_empty());
}

#[test]
fn what_a_neighbor_announces_meanwhile_is_not_announced_to_it() {
    let now = start();
    let delay = Config::default().announce_delay;
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    engine.handle_message(BOB, Message::Prune, now).unwrap();
    let contents = [0, 1].map(|sequence| bulk(ZOE, sequence, 10));
    for content in &contents {
        assert!(accept(&mut engine, ANN, content, now));
    }
    let ids = vec![contents[0].id()];
    engine
        .handle_message(BOB, Message::IHave { ids }, now)
        .unwrap();
    let outputs = pass(&mut engine, &[ANN, BOB], now, now + delay);
    let rest = vec![contents[1].id()];
    assert_eq!(announcements(&outputs), [(BOB, rest)]);
}

#[test]
fn once_the_tree_has_formed_each_node_is_sent_a_broadcast_about_once() {
    // Latencies are drawn anew for every message, so the tree is never the quickest for the next one;
    // announcements come after even the slowest path.
    let config = Config {
        announce_delay: ms(800),
        ..Config::default()
    };
    let mut network = grid(1, &config);
    for _ in 0..3 {
        network.broadcast(0, Bytes::from_static(b"warm"));
        network.run(ms(2_000));
    }
    let before = copies(&network);
    for _ in 0..20 {
        network.broadcast(0, Bytes::from_static(b"hello"));
        network.run(ms(2_000));
    }
    let sent = copies(&network) - before;
    let needed = 20 * (NODES - 1);
    assert!(
        (needed..=needed + needed / 5).contains(&sent),
        "{sent} copies for {needed} deliveries"
    );
    assert_eq!(network.delivered[&[1]].len(), 23);
}

#[test]
fn a_broken_tree_is_mended_within_the_delay_of_announcements() {
    for seed in 0..20 {
        let mut network = grid(seed, &Config::default());
        let mut published = Vec::new();
        for _ in 0..5 {
            published.push((0, network.broadcast(0, Bytes::from_static(b"warm")).id));
            network.run(ms(2_000));
        }
        // One link of each node goes; the square lattice stays connected.
        for node in (0..NODES as u8).step_by(2) {
            if network.is_linked(node, (node + 1) % NODES as u8) {
                network.unlink(node, (node + 1) % NODES as u8);
            }
        }
        published.push((0, network.broadcast(0, Bytes::from_static(b"hello")).id));
        // Some six hops, each mended at worst: an announcement's delay and three crossings.
        network.run(ms(6 * (300 + 200)));
        network.assert_delivered_exactly_once(&published);
    }
}

#[test]
fn what_everybody_publishes_at_once_leaves_the_tree_as_it_is() {
    for seed in 0..5 {
        let mut network = grid(seed, &Config::default());
        for _ in 0..5 {
            network.broadcast(0, Bytes::from_static(b"warm"));
            network.run(ms(2_000));
        }
        let before = eager(&network);
        network.all_publish(b"proof");
        network.run(ms(2_000));
        assert_eq!(eager(&network), before);
    }
}

#[test]
fn whoever_is_linked_has_somebody_to_say_something_to_however_many_speak_at_once() {
    for apart in [0, 1, 5, 50] {
        for seed in 0..10 {
            let mut network = grid(seed, &Config::default());
            network.run(ms(1_000));
            let mut published = Vec::new();
            for node in 0..NODES as u8 {
                let said = network.broadcast(node, Bytes::from_static(b"all"));
                assert!(said.neighbors > 0, "{node} speaks to nobody");
                published.push((node, said.id));
                network.run(ms(apart));
            }
            network.run(ms(5_000));
            network.assert_delivered_exactly_once(&published);
        }
    }
}

#[test]
fn our_own_of_an_earlier_process_costs_no_link() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    for (neighbor, sequence) in [(ANN, 100), (BOB, 101)] {
        let own = bulk(ME, sequence, 10);
        let ids = vec![own.id()];
        engine
            .handle_message(neighbor, Message::IHave { ids }, now)
            .unwrap();
        engine
            .handle_message(neighbor, gossip(&own, 1), now)
            .unwrap();
        assert!(prunes(&drain(&mut engine)).is_empty());
    }
    assert_eq!(engine.usage().eager, 2);
}

#[test]
fn the_only_link_that_brings_something_stays_eager_though_it_brings_it_twice() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    let content = bulk(ZOE, 1, 10);
    // Slow: asked for again, and sent twice.
    assert!(accept(&mut engine, ANN, &content, now));
    engine
        .handle_message(ANN, gossip(&content, 1), now + ms(500))
        .unwrap();
    assert!(prunes(&drain(&mut engine)).is_empty());
    assert_eq!(engine.usage().eager, 2);
}

const NODES: u64 = 24;

/// Every node linked to four others.
fn grid(seed: u64, config: &Config) -> Network {
    let mut network = Network::new(NODES as u8, config, seed);
    for node in 0..NODES as u8 {
        network.link(node, (node + 1) % NODES as u8);
        network.link(node, (node + 5) % NODES as u8);
    }
    network
}

fn eager(network: &Network) -> usize {
    let engines = network.engines.values();
    engines.map(|engine| engine.usage().eager).sum()
}

fn copies(network: &Network) -> u64 {
    let engines = network.engines.values();
    engines.map(|engine| engine.counters().received).sum()
}

/// Finds the one content that waits for its check good.
fn settle(engine: &mut Engine, now: Instant) {
    let check = drain(engine).into_iter().find_map(|output| match output {
        Output::Check { check, .. } => Some(check),
        _ => None,
    });
    engine.handle_checked(check.unwrap(), Verdict::Accept, now);
}
