//! Connections that are no node's: noise, impossible lengths, silence, and too many of them.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::network::{ALARMS, Network, PATIENCE};

/// The nodes' deadline for a handshake is 5 s; closing may take a little longer on a busy machine.
const SILENT_MIN: Duration = Duration::from_secs(4);
const SILENT_MAX: Duration = Duration::from_secs(9);

/// How many connections say nothing, all at the same time: more than may be before their hello.
const IDLE: usize = 300;

/// What the numbers of descriptors before and after may differ by: sessions come and go.
const SLACK: usize = 8;

/// How much more memory a node may have taken at its worst.
const GROWTH_KIB_MAX: usize = 128 * 1024;

#[test]
fn connections_that_are_no_nodes_do_no_harm() {
    let options = ["--every", "0.5", "--messages", "1000"];
    let (mut net, seeds, peers) = Network::populated(3, 2, &options);
    let before = net.alive();
    let (seed, peer) = (seeds[0], peers[0]);
    let targets = [seed, peer].map(|node| (node, net.address(node).to_owned(), net.id(node)));
    let at_first = targets
        .clone()
        .map(|(_, _, id)| (descriptors(id), peak_kib(id)));
    std::thread::scope(|scope| {
        for (_, address, _) in &targets {
            scope.spawn(|| abuse(address));
        }
    });
    for ((_, address, id), (descriptors_before, peak_before)) in targets.iter().zip(at_first) {
        let what = format!("the descriptors of {address} to be about {descriptors_before} again");
        let after = net.wait(&what, PATIENCE, || {
            let now = descriptors(*id);
            (now.abs_diff(descriptors_before) <= SLACK).then_some(now)
        });
        let peak = peak_kib(*id);
        println!(
            "{address}: descriptors {descriptors_before}, then {after}; peak {peak_before}, then {peak} KiB"
        );
        assert!(
            peak - peak_before < GROWTH_KIB_MAX,
            "from {peak_before} to {peak} KiB"
        );
    }
    net.expect_none(&before, &ALARMS, Duration::ZERO);

    // Both still do their work.
    let newcomer = net.peer(&[]);
    net.expect(newcomer, "Joined the network (incarnation 1)");
    let vote = format!(
        "REGISTER_VOTE on {} from seed {}: yes",
        net.address(newcomer),
        net.address(seed)
    );
    net.expect(seed, &vote);
    net.expect(newcomer, &format!("Linked to {}", net.address(peer)));
    let sent = net.expect_after(peer, net.mark(peer), "GOSSIP originated");
    net.expect(newcomer, sent.originated().unwrap());
}

fn abuse(address: &str) {
    let connect = || {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let two_gib = [&0x8000_0000_u32.to_be_bytes()[..], &[b'{'; 1000]].concat();
    let whole_record = [&[0x16, 3, 1, 0x40, 0][..], &[0; 0x4000]].concat();
    let mut openings = vec![
        two_gib,
        whole_record,
        b"GET / HTTP/1.1\r\nHost: q\r\n\r\n".to_vec(),
    ];
    openings.extend((1..=20).map(noise));
    for opening in openings {
        let mut stream = connect();
        // It may be closed before all of it is written.
        let _written = stream.write_all(&opening);
        let took = closed_after(stream, Instant::now());
        assert!(took < SILENT_MAX, "closed {opening:02x?} after {took:?}");
    }

    let opened = Instant::now();
    let silent = connect();
    // A record that never ends.
    let mut half = connect();
    half.write_all(&[0x16, 3, 1, 2, 0, 1]).unwrap();
    let idle: Vec<TcpStream> = (0..IDLE).map(|_| connect()).collect();
    for stream in [silent, half] {
        let took = closed_after(stream, opened);
        println!("{address}: a silent connection was closed after {took:?}");
        assert!(
            (SILENT_MIN..SILENT_MAX).contains(&took),
            "closed after {took:?}"
        );
    }
    for stream in idle {
        let took = closed_after(stream, opened);
        assert!(took < SILENT_MAX, "closed after {took:?}");
    }
}

/// Waits until the other end closes; returns how long it took. What it says before is passed over.
fn closed_after(mut stream: TcpStream, since: Instant) -> Duration {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return since.elapsed(),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return since.elapsed(),
            Err(error) => panic!("not closed after {:?}: {error}", since.elapsed()),
        }
    }
}

fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(4096).collect()
}

fn descriptors(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

fn peak_kib(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    peak.trim().trim_end_matches("kB").trim().parse().unwrap()
}
