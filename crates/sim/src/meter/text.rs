//! The numbers as a table.

use std::fmt;

use super::metrics::{Metrics, Volume};
use super::spread::Spread;

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (evictions, gossip) = (&self.evictions, &self.gossip);
        times(f, "admissions", &self.admissions)?;
        let counts = format!(
            "{} lives, {} of them running; {} members dead for good",
            evictions.count, evictions.of_running, evictions.dead_for_good
        );
        line(f, "evictions", &counts)?;
        times(f, "  known to the first", &evictions.first)?;
        times(f, "  known to the last", &evictions.last)?;
        let counts = format!(
            "{}; {} deliveries, {} of {} due have not come, {} told as gaps",
            gossip.broadcasts, gossip.deliveries, gossip.missing, gossip.expected, gossip.gaps
        );
        line(f, "broadcasts", &counts)?;
        times(f, "  delivery", &gossip.latency)?;
        let hops = format!(
            "median {}, at most {} links",
            gossip.last_hop.median, gossip.last_hop.max
        );
        line(f, "  last delivery hop", &hops)?;
        let redundancy = format!(
            "{} ({} copies)",
            thousandths(gossip.redundancy_permille),
            gossip.copies
        );
        line(f, "  redundancy (RMR)", &redundancy)?;
        self.traffic(f)?;
        let connections = &self.connections;
        let counts = format!(
            "{} made, {} ended, {} of them too slow",
            connections.made, connections.ended, connections.too_slow
        );
        line(f, "connections", &counts)?;
        write!(f, "{:<20} {}", "steps", self.steps)
    }
}

impl Metrics {
    fn traffic(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let traffic = &self.traffic;
        let rows: [(&str, &Volume); 9] = [
            ("sent", &traffic.total),
            ("  payloads", &traffic.payloads),
            ("  ids", &traffic.ids),
            ("  heartbeats", &traffic.heartbeats),
            ("  council", &traffic.council),
            ("  roster", &traffic.roster),
            ("  suspicion", &traffic.suspicion),
            ("  others", &traffic.others),
            ("sent by liars", &traffic.by_liars),
        ];
        for (name, volume) in rows {
            writeln!(
                f,
                "{name:<20} {:>12} frames {:>15} bytes",
                volume.frames, volume.bytes
            )?;
        }
        let rates = format!(
            "{} frames, {} bytes in a second (over {} s of running nodes)",
            thousandths(traffic.frames_per_node_second_milli),
            traffic.bytes_per_node_second,
            traffic.node_seconds
        );
        line(f, "sent by a node", &rates)
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, what: &str) -> fmt::Result {
    writeln!(f, "{name:<20} {what}")
}

fn times(f: &mut fmt::Formatter<'_>, name: &str, times: &Spread) -> fmt::Result {
    if times.count == 0 {
        return line(f, name, "none");
    }
    let [median, p95, max] = [times.median_us, times.p95_us, times.max_us].map(thousandths);
    writeln!(
        f,
        "{name:<20} {:>12}   median {median} ms, p95 {p95} ms, at most {max} ms",
        times.count
    )
}

fn thousandths(number: u64) -> String {
    format!("{}.{:03}", number / 1_000, number % 1_000)
}
