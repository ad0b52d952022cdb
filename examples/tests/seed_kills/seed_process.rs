//! A seed as a process of its own: this very program, run again as a seed. It tells on its output what a test waits for,
//! and answers what it is asked on its input.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Instant;

use quorate_node::{Event, Node, SeedList};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::common::PATIENCE;

/// Tells the process that it is a seed: where it listens.
const LISTEN: &str = "QUORATE_TEST_SEED_LISTEN";
/// Its seed list.
const CONFIG: &str = "QUORATE_TEST_SEED_CONFIG";
/// Its data directory.
const DATA: &str = "QUORATE_TEST_SEED_DATA";

/// A running seed.
#[derive(Debug)]
pub(crate) struct SeedProcess {
    child: Child,
    input: ChildStdin,
    lines: mpsc::UnboundedReceiver<(Instant, String)>,
    /// When it was started.
    pub(crate) started: Instant,
}

/// What a seed tells of its roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// Of every standing, attempts included: a life may have been entered by two, at different seeds.
    pub(crate) digest: String,
    pub(crate) members: usize,
}

impl SeedProcess {
    /// Starts a seed, and waits for nothing.
    pub(crate) fn start(listen: SocketAddr, config: &Path, data: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture", "--quiet"])
            .arg("seed_process::a_seed_for_another_test")
            .env(LISTEN, listen.to_string())
            .env(CONFIG, config)
            .env(DATA, data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            input,
            lines,
            started,
        }
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) fn kill(&mut self) {
        let is_up = self.child.try_wait().unwrap().is_none();
        assert!(is_up, "a seed ended by itself");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it is linked with so many other seeds, and says when it was.
    pub(crate) async fn linked(&mut self, others: usize) -> Instant {
        let wanted = format!("linked {others}");
        loop {
            let (at, line) = self.line().await;
            if line == wanted {
                return at;
            }
        }
    }

    /// Its members now.
    pub(crate) async fn members(&mut self) -> Told {
        writeln!(self.input, "members").unwrap();
        loop {
            let (_, line) = self.line().await;
            let words: Vec<&str> = line.split(' ').collect();
            if let ["members", digest, members] = words[..] {
                return Told {
                    digest: digest.to_owned(),
                    members: members.parse().unwrap(),
                };
            }
        }
    }

    async fn line(&mut self) -> (Instant, String) {
        let line = timeout(PATIENCE, self.lines.recv()).await;
        line.expect("a seed says nothing").expect("a seed ended")
    }
}

impl Drop for SeedProcess {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// No test: what a [`SeedProcess`] runs. It ends when its input does, so that none outlives the test that started it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the other tests, as a process"]
async fn a_seed_for_another_test() {
    let (Ok(listen), Ok(config), Ok(data)) = (
        std::env::var(LISTEN),
        std::env::var(CONFIG),
        std::env::var(DATA),
    ) else {
        return;
    };
    let list = SeedList::load(config).unwrap();
    let node = Node::seed(listen.parse().unwrap(), list).data(data);
    let node = node.spawn().await.unwrap();
    let mut events = node.events();
    let mut questions = questions();
    let mut linked = 0;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::SeedConnected(_)) => {
                    linked += 1;
                    println!("linked {linked}");
                }
                Some(Event::SeedLost { .. }) => {
                    linked -= 1;
                    println!("linked {linked}");
                }
                Some(_) => {}
                None => return,
            },
            question = questions.recv() => match question {
                Some(()) => {
                    let members = node.members().await.len();
                    let digest = node.roster_digest().await.unwrap();
                    println!("members {digest} {members}");
                }
                None => return,
            },
        }
    }
}

/// A message for each line of the standard input, until it ends.
fn questions() -> mpsc::UnboundedReceiver<()> {
    let (sender, questions) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for _line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.send(()).is_err() {
                return;
            }
        }
    });
    questions
}
