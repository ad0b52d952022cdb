//! A seed whose disk is full: it says so, gives no vote, and runs on; the others decide without it. When there is room again,
//! it votes again.
//!
//! The limit on the size of its files, which takes effect at once and can be lifted, stands for the disk.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::common::{PATIENCE, built};
use crate::network::Network;

/// A seed that survives the signal that comes with the limit, as an error of the write; it tells on a pipe, which no limit
/// stops.
struct Limited {
    child: Child,
    lines: Receiver<String>,
}

impl Limited {
    fn start(net: &Network, address: &str) -> Self {
        let (ip, port) = address.rsplit_once(':').unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(built("seed"))
            .args([ip, port])
            .current_dir(net.path(""))
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(net.path("limited.stderr")).unwrap())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut lines = output.lines().map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// Waits for a line with this, and returns those up to it.
    fn expect(&self, needle: &str) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut before = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("no {needle:?} after {before:#?}"));
            let found = line.contains(needle);
            before.push(line);
            if found {
                return before;
            }
        }
    }

    /// How many bytes into a file it may write.
    fn limit(&self, bytes: &str) {
        let limited = Command::new("prlimit")
            .arg(format!("--fsize={bytes}:"))
            .args(["--pid", &self.child.id().to_string()])
            .status();
        assert!(limited.unwrap().success());
    }

    fn is_up(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

#[test]
fn a_seed_with_a_full_disk_says_so_and_does_not_vote_until_there_is_room_again() {
    let mut net = Network::planned(3);
    let address = net.seeds()[0].clone();
    let others = [net.seed(1), net.seed(2)];
    let mut limited = Limited::start(&net, &address);
    limited.expect("Connected to seed");
    limited.expect("Connected to seed");
    net.expect_mesh(&others);
    let committed = |address: &str| format!("REGISTER committed: {address} ");
    let vote = |peer: &str| format!("REGISTER_VOTE on {peer} from seed {address}");

    let first = net.peer(&[]);
    net.expect(first, "Joined the network");
    limited.expect(&committed(net.address(first)));
    net.expect(others[0], &vote(net.address(first)));

    limited.limit("0");
    let second = net.peer(&[]);
    let asked = Instant::now();
    net.expect(second, "Joined the network");
    println!(
        "without the third seed a peer is in after {:?}",
        asked.elapsed()
    );
    limited.expect("Cannot store");
    limited.expect("This seed gives no votes until it can store");
    net.expect_none(
        &others,
        &[&vote(net.address(second))],
        Duration::from_secs(1),
    );
    assert!(limited.is_up());

    limited.limit("unlimited");
    let third = net.peer(&[]);
    net.expect(third, "Joined the network");
    net.expect(others[0], &vote(net.address(third)));
    let lines = limited.expect("gives votes again");
    let again = lines.iter().filter(|line| line.contains("gives no votes"));
    assert_eq!(again.count(), 0, "{lines:#?}");
    // What it could not store, it learns again from the others.
    net.wait("the second peer at the seed", PATIENCE, || {
        let lines: Vec<String> = limited.lines.try_iter().collect();
        let needle = committed(net.address(second));
        lines
            .iter()
            .any(|line| line.contains(&needle))
            .then_some(())
    });
    assert!(limited.is_up());
}

#[test]
fn a_seed_that_found_the_disk_full_at_its_first_start_begins_as_a_new_one_when_there_is_room() {
    let mut net = Network::planned(1);
    let address = net.seeds()[0].clone();
    let (ip, port) = address.rsplit_once(':').unwrap();
    let data = format!("data/seed-{port}");
    // In blocks of 512 bytes: there is no room for the key, or for the store.
    for (blocks, file) in [("0", "key"), ("8", "store.new")] {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let output = Command::new("sh")
            .args(["-c", &script])
            .arg(built("seed"))
            .args([ip, port])
            .current_dir(net.path(""))
            .env_remove("RUST_LOG")
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(&format!("{data}/{file}")), "{error}");
        let left = fs::read_dir(net.path(&data)).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{blocks} blocks left {left:?}; {error}");
    }
    let seed = net.seed(0);
    net.expect(seed, "listens at");
    let peer = net.peer(&[]);
    net.expect(peer, "Joined the network");
    assert!(net.find(seed, "The store is lost").is_none());
}
