//! What all tests share that run the programs as processes: the programs, their ports, taking turns, waiting.

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take that has no limit of its own; generous, since other builds may share the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How often is looked at what is waited for.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// Where ports are taken from: below those that Linux gives to outgoing connections, which the nodes make all the time.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// An example program, built beside this test.
pub(crate) fn built(program: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let profile = this.parent().and_then(Path::parent).unwrap();
    let path = profile.join("examples").join(program);
    assert!(
        path.exists(),
        "{} is missing: cargo build -p quorate-examples --examples",
        path.display()
    );
    path
}

/// Waits until no other test, of this process or another, runs processes.
pub(crate) fn turn() -> Arc<File> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("processes.lock");
    let file = File::create(path).unwrap();
    file.lock().unwrap();
    Arc::new(file)
}

/// A port that nobody listens at, and that was not handed out before.
pub(crate) fn free_port(given: &mut BTreeSet<u16>) -> u16 {
    let span = u64::from(PORTS.end - PORTS.start);
    loop {
        let random = RandomState::new().build_hasher().finish() % span;
        let port = PORTS.start + u16::try_from(random).unwrap();
        let is_free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if is_free && given.insert(port) {
            return port;
        }
    }
}

/// Looks again and again until something is there.
pub(crate) fn wait<T>(what: &str, limit: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "missing after {limit:?}: {what}");
        sleep(POLL);
    }
}
