//! What cannot work ends at once with one line that says why.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::net::TcpListener;
use std::ops::Range;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

use nix::sys::signal::Signal;

use crate::network::{Network, PATIENCE, csv};

#[test]
fn a_seed_list_that_cannot_be_used_is_told_with_its_line() {
    let mut net = Network::planned(3);
    let seed = net.seeds()[0].clone();
    let good = csv(&seed);
    fs::create_dir(net.path("directory")).unwrap();
    let table: [(&str, Option<&[u8]>, &str); 9] = [
        (
            "missing.csv",
            None,
            "cannot read the seed list missing.csv: No such file",
        ),
        (
            "directory",
            None,
            "cannot read the seed list directory: Is a directory",
        ),
        (
            "latin1.csv",
            Some(b"se\xe9d,1\n"),
            "cannot read the seed list latin1.csv: ",
        ),
        (
            "empty.csv",
            Some(b""),
            "empty.csv: expected 1 to 64 seeds, got 0",
        ),
        (
            "short.csv",
            Some(b"127.0.0.1\n"),
            "short.csv: line 1: expected ip,port or ip,port,node-id, got \"127.0.0.1\"",
        ),
        (
            "port.csv",
            Some(&[good.as_bytes(), b"127.0.0.1,70000\n"].concat()),
            "port.csv: line 2: expected a port from 1 to 65535, got \"70000\"",
        ),
        (
            "host.csv",
            Some(&[b"# seeds\n\n", good.as_bytes(), b"a b,1\n"].concat()),
            "host.csv: line 4: expected an IP address or a host name, got \"a b\"",
        ),
        (
            "twice.csv",
            Some(&[good.as_bytes(), good.as_bytes()].concat()),
            &format!("twice.csv: line 2: the seed {seed} is listed twice"),
        ),
        (
            "pin.csv",
            Some(b"127.0.0.1,5010,12ab\n"),
            "pin.csv: line 1: expected a node id of 64 hexadecimal digits, got \"12ab\"",
        ),
    ];
    for (name, content, expected) in table {
        if let Some(content) = content {
            fs::write(net.path(name), content).unwrap();
        }
        let peer = net.free_address();
        for (program, address) in [("seed", &seed), ("peer", &peer)] {
            let error = net.error_of(program, address, &["--config", name]);
            assert!(
                error.starts_with(expected),
                "expected {expected:?}, got {error:?}"
            );
        }
    }
    fs::remove_file(net.path("config.csv")).unwrap();
    let error = net.error_of("seed", &seed, &[]);
    assert!(
        error.starts_with("cannot read the seed list config.csv: No such file"),
        "{error}"
    );
}

#[test]
fn an_address_that_cannot_be_used_is_told() {
    let mut net = Network::planned(3);
    let seed = net.seeds()[0].clone();
    let peer = net.free_address();
    let in_use = [&seed, &peer].map(|address| TcpListener::bind(address).unwrap());
    for (program, address) in [("seed", &seed), ("peer", &peer)] {
        let error = net.error_of(program, address, &[]);
        let expected = format!("cannot listen on {address}: Address already in use");
        assert!(
            error.starts_with(&expected),
            "expected {expected:?}, got {error:?}"
        );
    }
    drop(in_use);

    fs::write(net.path("far.csv"), csv("203.0.113.1:5010")).unwrap();
    for program in ["seed", "peer"] {
        let error = net.error_of(program, "203.0.113.1:5010", &["--config", "far.csv"]);
        let expected = "cannot listen on 203.0.113.1:5010: Cannot assign requested address";
        assert!(error.starts_with(expected), "{error}");
    }

    let stranger = net.free_address();
    let error = net.error_of("seed", &stranger, &[]);
    assert!(
        error.starts_with(&format!("{stranger} is not a seed of this network")),
        "{error}"
    );
    for seed in net.seeds() {
        assert!(error.contains(seed), "expected {seed} in {error:?}");
    }

    let everywhere = peer.replace("127.0.0.1", "0.0.0.0");
    let error = net.error_of("peer", &everywhere, &[]);
    assert!(
        error.starts_with(&format!("{everywhere} is no address that others can dial")),
        "{error}"
    );
    let error = net.error_of("peer", &peer, &["--advertise", "no port"]);
    assert!(error.starts_with("cannot advertise: "), "{error}");
}

#[test]
fn a_key_file_that_cannot_be_used_is_told_and_left_alone() {
    let mut net = Network::planned(3);
    let seed = net.seeds()[0].clone();
    let peer = net.free_address();
    let key = "ab".repeat(32);
    let table: [(&str, &[u8], u32, &str); 4] = [
        (
            "garbage",
            &[0xfe; 64],
            0o600,
            "is not a key: expected 64 hexadecimal digits, got bytes that are no text",
        ),
        (
            "short",
            b"abc",
            0o600,
            "is not a key: expected 64 hexadecimal digits, got 3 characters",
        ),
        (
            "empty",
            b"",
            0o600,
            "is not a key: expected 64 hexadecimal digits, got 0 characters",
        ),
        (
            "shown",
            key.as_bytes(),
            0o644,
            "can be read by others: expected permissions 0600, got 0644",
        ),
    ];
    for (data, content, mode, expected) in table {
        fs::create_dir(net.path(data)).unwrap();
        let path = net.path(data).join("key");
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .unwrap();
        file.write_all(content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        for (program, address) in [("seed", &seed), ("peer", &peer)] {
            let error = net.error_of(program, address, &["--data", data]);
            assert_eq!(error, format!("the key file {data}/key {expected}"));
            assert_eq!(fs::read(&path).unwrap(), content);
        }
    }
    // Not even the owner can read these, nor even root.
    fs::create_dir_all(net.path("directory/key")).unwrap();
    for (data, expected) in [
        (
            "directory",
            "cannot use the key file directory/key: Is a directory",
        ),
        (
            "config.csv",
            "cannot use the key file config.csv/key: Not a directory",
        ),
    ] {
        for (program, address) in [("seed", &seed), ("peer", &peer)] {
            let error = net.error_of(program, address, &["--data", data]);
            assert!(
                error.starts_with(expected),
                "expected {expected:?}, got {error:?}"
            );
        }
    }
}

#[test]
fn a_store_that_cannot_be_used_is_told_and_left_alone() {
    let mut net = Network::planned(2);
    let [seed, other] = [0, 1].map(|line| net.seeds()[line].clone());
    let node = net.seed(0);
    net.expect(node, "listens at");
    let (_, port) = seed.rsplit_once(':').unwrap();
    let data = format!("data/seed-{port}");
    let store = net.path(&data).join("store.redb");
    let shown = format!("{data}/store.redb");

    let error = net.error_of("seed", &other, &["--data", &data]);
    // The key goes first: two processes of one node would end each other's lives.
    assert_eq!(
        error,
        format!("the key file {data}/key is in use by another process")
    );
    net.ask_to_stop(node, Signal::SIGTERM);
    net.exit(node, PATIENCE);
    let good = fs::read(&store).unwrap();

    fs::write(
        net.path("other.csv"),
        [csv(&seed), csv("127.0.0.1:9")].concat(),
    )
    .unwrap();
    let error = net.error_of("seed", &seed, &["--config", "other.csv"]);
    assert!(
        error.starts_with(&format!("the store {shown} belongs to network ")),
        "{error}"
    );
    assert!(error.ends_with("is config.csv another one?"), "{error}");

    for content in [
        noise(good.len()),
        noise(100),
        b"a text that somebody put here\n".to_vec(),
        overwritten(&good, 0..64),
    ] {
        fs::write(&store, &content).unwrap();
        is_damaged(&mut net, &seed, &shown);
        assert!(
            fs::read(&store).unwrap() == content,
            "the store was changed"
        );
    }
    // What was put back works.
    fs::write(&store, &good).unwrap();
    let node = net.seed(0);
    net.expect(node, "listens at");
}

/// Its header is whole, so it looks like a store until its pages are read.
#[test]
fn a_store_with_damaged_pages_is_told() {
    for stop in [closed, killed] {
        let (mut net, seed, shown) = stop();
        let store = net.path(&shown);
        let content = overwritten(&fs::read(&store).unwrap(), 4096..usize::MAX);
        fs::write(&store, content).unwrap();
        is_damaged(&mut net, &seed, &shown);
    }
}

#[test]
fn a_store_that_was_cut_short_is_told() {
    for stop in [closed, killed] {
        let (mut net, seed, shown) = stop();
        let store = net.path(&shown);
        let good = fs::read(&store).unwrap();
        for len in [
            100,
            4096,
            good.len() / 2,
            good.len() * 3 / 4,
            good.len() - 1,
        ] {
            fs::write(&store, &good[..len]).unwrap();
            is_damaged(&mut net, &seed, &shown);
        }
    }
}

/// An empty file is what is left of a store where the file system lost its content: as DESIGN has it, no fresh start.
#[test]
fn a_store_that_was_emptied_is_told() {
    let (mut net, seed, shown) = killed();
    fs::write(net.path(&shown), b"").unwrap();
    is_damaged(&mut net, &seed, &shown);
}

/// A network of one seed that ran: its address, and its store as it is shown.
fn planned_seed() -> (Network, String, String) {
    let net = Network::planned(1);
    let seed = net.seeds()[0].clone();
    let (_, port) = seed.rsplit_once(':').unwrap();
    (net, seed.clone(), format!("data/seed-{port}/store.redb"))
}

/// A seed that was killed: its store is checked as a whole when it is opened again.
fn killed() -> (Network, String, String) {
    let (mut net, seed, shown) = planned_seed();
    let node = net.seed(0);
    net.expect(node, "listens at");
    net.kill(node);
    (net, seed, shown)
}

/// A seed that stopped in order: its store is opened again without looking at every page.
fn closed() -> (Network, String, String) {
    let (mut net, seed, shown) = planned_seed();
    // redb's header tells whether a store was closed; a seed that stops does not always wait for that.
    let is_closed = |net: &Network| fs::read(net.path(&shown)).is_ok_and(|store| store[9] & 2 == 0);
    for _ in 0..20 {
        let node = net.seed(0);
        net.expect(node, "listens at");
        net.ask_to_stop(node, Signal::SIGTERM);
        net.exit(node, PATIENCE);
        if is_closed(&net) {
            break;
        }
    }
    (net, seed, shown)
}

/// The same bytes with some in the middle replaced.
fn overwritten(content: &[u8], range: Range<usize>) -> Vec<u8> {
    let mut content = content.to_vec();
    let end = range.end.min(content.len());
    content[range.start..end].fill(0xa5);
    content
}

/// Twice: the first look must not turn it into something that the second accepts.
fn is_damaged(net: &mut Network, seed: &str, shown: &str) {
    for _ in 0..2 {
        let error = net.error_of("seed", seed, &[]);
        let expected = format!("the store {shown} is damaged or not a store (");
        assert!(
            error.starts_with(&expected),
            "expected {expected:?}, got {error:?}"
        );
    }
}

#[test]
fn an_output_file_that_cannot_be_written_is_told() {
    let mut net = Network::planned(1);
    let peer = net.free_address();
    let (_, port) = peer.rsplit_once(':').unwrap();
    let output = format!("outputfile_peer_{port}.txt");
    fs::create_dir(net.path(&output)).unwrap();
    let error = net.error_of("peer", &peer, &[]);
    assert!(
        error.starts_with(&format!("cannot write {output}: Is a directory")),
        "{error}"
    );
}

#[test]
fn lists_that_differ_are_told_on_both_sides_with_the_difference() {
    let mut net = Network::planned(3);
    let [a, b, c] = [0, 1, 2].map(|line| net.seeds()[line].clone());
    fs::write(net.path("two.csv"), [csv(&a), csv(&b)].concat()).unwrap();
    let first = net.launch("seed", &a, &["--config", "two.csv"]);
    let second = net.launch("seed", &b, &[]);
    let peer = net.peer(&[]);
    let fewer = format!("the seed lists differ; only here: none; only there: {c}");
    let more = format!("the seed lists differ; only here: {c}; only there: none");
    // Each says what is only in its own list, and what only in the other's.
    let table = [(first, &b, &fewer), (second, &a, &more), (peer, &a, &more)];
    for (node, dialed, difference) in table {
        let line = net.expect(node, difference);
        assert!(line.text.starts_with("Refused "), "{line}");
        let line = net.expect(node, &format!("Refused {dialed}: "));
        assert!(line.text.ends_with(difference), "{line}");
    }
    // They do not hammer each other.
    for node in net.alive() {
        assert!(net.mark(node) < 100, "{} lines", net.mark(node));
        assert!(net.find(node, "REGISTER committed").is_none());
    }
}

#[test]
fn arguments_that_make_no_sense_are_told() {
    let mut net = Network::planned(1);
    for (program, arguments) in [
        ("seed", &["127.0.0.1:70000"][..]),
        ("peer", &["127.0.0.1:port"]),
        ("peer", &["localhost:6001"]),
        ("peer", &["127.0.0.1:6001", "--every", "0"]),
        ("peer", &["127.0.0.1:6001", "--every", "NaN"]),
        ("peer", &["127.0.0.1:6001", "--messages", "-1"]),
        ("seed", &["127.0.0.1:6001", "--nonsense"]),
    ] {
        let node = net.launch(program, arguments[0], &arguments[1..]);
        let status = net.exit(node, PATIENCE);
        let stderr = net.stderr(node);
        assert_eq!(status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("error: "), "{arguments:?}: {stderr}");
    }
}

/// Bytes that mean nothing, the same each time.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}
