//! Grows an overlay of 1000 members, shows how many have how many links, and removes its 20 biggest hubs.
//!
//! Run it with `cargo run -p quorate-overlay --example grow`. Expect a histogram that falls steeply from 3 links on, with
//! a few members near the cutoff of 64, and one piece before and after.

use std::cmp::Reverse;

use quorate_overlay::{Config, ConfigError, Graph};

fn main() -> Result<(), ConfigError> {
    let mut graph = Graph::new(Config::default(), 2026)?;
    for member in 0..1000_u32 {
        graph.attach(member);
    }
    println!(
        "1000 members, {} links, pieces: {}",
        graph.edges().count(),
        graph.components()
    );
    print_histogram(&graph);

    let mut hubs: Vec<u32> = graph.members().collect();
    hubs.sort_by_key(|&member| Reverse(graph.degree(member)));
    hubs.truncate(20);
    let lost: usize = hubs.iter().map(|&hub| graph.degree(hub)).sum();
    let opened: usize = hubs.iter().map(|&hub| graph.detach(hub).len()).sum();

    println!(
        "\nremoved the 20 biggest hubs with {lost} links; {opened} links were opened in their place"
    );
    println!(
        "{} members, {} links, pieces: {}",
        graph.len(),
        graph.edges().count(),
        graph.components()
    );
    match graph.check() {
        Ok(()) => println!("still connected, every member has its links, no hub is over the limit"),
        Err(violation) => println!("broken: {violation}"),
    }
    Ok(())
}

/// A line per doubling of the degree, a mark per 8 members.
fn print_histogram(graph: &Graph<u32>) {
    println!("   links  members");
    let mut low = 1;
    while low <= Config::default().degree_limit() {
        let high = 2 * low - 1;
        let count = graph
            .members()
            .filter(|&member| (low..=high).contains(&graph.degree(member)))
            .count();
        println!(
            "{low:>4}–{high:<4} {count:>5}  {}",
            "#".repeat(count.div_ceil(8))
        );
        low = high + 1;
    }
}
