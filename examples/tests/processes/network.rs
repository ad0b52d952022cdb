//! Seeds and peers as processes in a directory of their own, and waiting for what they write.
//!
//! A test waits for lines, with a deadline, and never for time to pass; only to see that something does *not* happen, it
//! watches for a while. Whatever a test started ends with it: only those processes, by their ids.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::{panicking, sleep};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use quorate_examples::unix_time;
use tempfile::TempDir;

pub(crate) use crate::common::PATIENCE;
use crate::common::{POLL, built, free_port, turn, wait};
use crate::log::{Line, members};

/// How often ports are chosen anew when somebody else was faster.
const RACES_MAX: usize = 3;

/// How many lines of each log a failed test prints.
const TAIL: usize = 60;

/// Words that no log may hold when nobody died.
pub(crate) const ALARMS: [&str; 3] = ["SUSPECTED", "SUSPECT_REQUEST", "DEAD_"];

/// A process of a [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node(usize);

struct Process {
    name: String,
    address: String,
    child: RefCell<Child>,
    output: PathBuf,
    /// How long the output file was when it started: what an earlier run wrote.
    output_from: usize,
    stdout: PathBuf,
    stderr: PathBuf,
    may_end: bool,
}

/// A `config.csv`, and the processes started beside it.
pub(crate) struct Network {
    dir: TempDir,
    seeds: Vec<String>,
    processes: Vec<Process>,
    ports: BTreeSet<u16>,
    turn: Arc<File>,
}

// --- starting ---

impl Network {
    /// A directory with a seed list; nothing runs yet.
    pub(crate) fn planned(seeds: usize) -> Self {
        Self::with_turn(seeds, turn())
    }

    /// Another network in the same test.
    pub(crate) fn planned_beside(&self, seeds: usize) -> Self {
        Self::with_turn(seeds, self.turn.clone())
    }

    fn with_turn(seeds: usize, turn: Arc<File>) -> Self {
        let mut this = Self {
            dir: tempfile::tempdir().unwrap(),
            seeds: Vec::new(),
            processes: Vec::new(),
            ports: BTreeSet::new(),
            turn,
        };
        this.seeds = (0..seeds).map(|_| this.free_address()).collect();
        let lines: Vec<String> = this.seeds.iter().map(|seed| csv(seed)).collect();
        fs::write(this.path("config.csv"), lines.concat()).unwrap();
        this
    }

    /// All seeds run and are connected to one another.
    pub(crate) fn running(seeds: usize) -> (Self, Vec<Node>) {
        for _ in 0..RACES_MAX {
            let mut this = Self::planned(seeds);
            let nodes: Vec<Node> = (0..seeds).map(|line| this.seed(line)).collect();
            if nodes.iter().all(|node| this.has_its_port(*node)) {
                this.expect_mesh(&nodes);
                return (this, nodes);
            }
        }
        panic!("free ports were taken {RACES_MAX} times in a row");
    }

    /// As [`running`](Self::running), with peers that have joined and are linked to one another.
    pub(crate) fn populated(
        seeds: usize,
        peers: usize,
        options: &[&str],
    ) -> (Self, Vec<Node>, Vec<Node>) {
        let (mut this, seeds) = Self::running(seeds);
        let peers: Vec<Node> = (0..peers).map(|_| this.peer(options)).collect();
        for peer in &peers {
            this.expect(*peer, "Joined the network (incarnation 1)");
            if peers.len() > 1 {
                this.expect(*peer, "Linked to ");
            }
        }
        let all: Vec<Node> = seeds.iter().chain(&peers).copied().collect();
        let everybody = this.first_lives(&peers);
        this.expect_members(&all, &everybody);
        (this, seeds, peers)
    }

    /// Starts the seed of a line of the list, and waits for nothing.
    pub(crate) fn seed(&mut self, line: usize) -> Node {
        let address = self.seeds[line].clone();
        self.launch("seed", &address, &[])
    }

    /// Starts a peer at a free port.
    pub(crate) fn peer(&mut self, options: &[&str]) -> Node {
        for _ in 0..RACES_MAX {
            let address = self.free_address();
            let node = self.launch("peer", &address, options);
            if self.has_its_port(node) {
                return node;
            }
        }
        panic!("free ports were taken {RACES_MAX} times in a row");
    }

    /// Starts a program at an address, and waits for nothing.
    pub(crate) fn launch(&mut self, program: &str, address: &str, options: &[&str]) -> Node {
        self.launch_with(Stdio::null(), program, address, options)
    }

    /// Starts the seed of a line of the list, at whose prompt something will be typed.
    pub(crate) fn seed_with_prompt(&mut self, line: usize, options: &[&str]) -> Node {
        let address = self.seeds[line].clone();
        self.launch_with(Stdio::piped(), "seed", &address, options)
    }

    fn launch_with(
        &mut self,
        input: Stdio,
        program: &str,
        address: &str,
        options: &[&str],
    ) -> Node {
        let (ip, port) = address.rsplit_once(':').unwrap();
        let index = self.processes.len();
        let output = self.path(&format!("outputfile_{program}_{port}.txt"));
        let (stdout, stderr) = (
            self.path(&format!("{index}.stdout")),
            self.path(&format!("{index}.stderr")),
        );
        let mut command = Command::new(built(program));
        command
            .current_dir(&self.dir)
            .args([ip, port])
            .args(options)
            .env_remove("RUST_LOG")
            .stdin(input)
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap());
        let output_from = fs::metadata(&output).map_or(0, |found| found.len());
        self.processes.push(Process {
            name: format!("{program} {address}"),
            address: address.to_owned(),
            child: RefCell::new(command.spawn().unwrap()),
            output,
            output_from: usize::try_from(output_from).unwrap(),
            stdout,
            stderr,
            may_end: false,
        });
        Node(index)
    }

    /// Types a line at a prompt.
    pub(crate) fn types(&self, node: Node, line: &str) {
        let mut child = self.processes[node.0].child.borrow_mut();
        let prompt = child.stdin.as_mut().unwrap();
        writeln!(prompt, "{line}").unwrap();
    }

    /// An address that nobody listens at.
    pub(crate) fn free_address(&mut self) -> String {
        let port = free_port(&mut self.ports);
        format!("127.0.0.1:{port}")
    }

    /// Whether a process listens; not if somebody else took its port since it was chosen.
    pub(crate) fn has_its_port(&mut self, node: Node) -> bool {
        let has_it = self.wait(&format!("{} to listen", self.name(node)), PATIENCE, || {
            let listens = self.find(node, "listens at").is_some();
            let lost = self.stderr(node).contains("cannot listen");
            (listens || lost).then_some(listens)
        });
        if !has_it {
            self.processes[node.0].may_end = true;
        }
        has_it
    }
}

// --- signals and ends ---

impl Network {
    /// Sends a signal.
    pub(crate) fn signal(&self, node: Node, signal: Signal) {
        let id = i32::try_from(self.id(node)).unwrap();
        kill(Pid::from_raw(id), signal).unwrap();
    }

    /// Sends SIGKILL and waits for the end; returns when the signal was sent.
    pub(crate) fn kill(&mut self, node: Node) -> Duration {
        self.processes[node.0].may_end = true;
        let at = unix_time();
        self.signal(node, Signal::SIGKILL);
        self.exit(node, PATIENCE);
        at
    }

    /// Sends a signal that asks a process to stop.
    pub(crate) fn ask_to_stop(&mut self, node: Node, signal: Signal) {
        self.processes[node.0].may_end = true;
        self.signal(node, signal);
    }

    /// Waits for the end of a process.
    pub(crate) fn exit(&mut self, node: Node, limit: Duration) -> ExitStatus {
        self.processes[node.0].may_end = true;
        let what = format!("{} to end", self.name(node));
        self.wait(&what, limit, || self.status(node))
    }

    /// How a process has ended, if it has.
    fn status(&self, node: Node) -> Option<ExitStatus> {
        let process = &self.processes[node.0];
        process.child.borrow_mut().try_wait().unwrap()
    }
}

// --- what there is to know of a process ---

impl Network {
    pub(crate) fn address(&self, node: Node) -> &str {
        &self.processes[node.0].address
    }

    pub(crate) fn addresses(&self, nodes: &[Node]) -> BTreeSet<String> {
        let addresses = nodes.iter().map(|node| self.address(*node).to_owned());
        addresses.collect()
    }

    pub(crate) fn id(&self, node: Node) -> u32 {
        self.processes[node.0].child.borrow().id()
    }

    fn name(&self, node: Node) -> &str {
        &self.processes[node.0].name
    }

    /// All processes that were not stopped or killed.
    pub(crate) fn alive(&self) -> Vec<Node> {
        let alive = |node: &Node| !self.processes[node.0].may_end;
        (0..self.processes.len()).map(Node).filter(alive).collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The addresses of the list.
    pub(crate) fn seeds(&self) -> &[String] {
        &self.seeds
    }

    /// What a process has written to its output file so far; whole lines, without those of earlier runs.
    pub(crate) fn lines(&self, node: Node) -> Vec<Line> {
        let process = &self.processes[node.0];
        let all = read(&process.output);
        parse(all.get(process.output_from..).unwrap_or_default())
    }

    /// As [`lines`](Self::lines), with those of earlier runs.
    pub(crate) fn history(&self, node: Node) -> Vec<Line> {
        parse(&read(&self.processes[node.0].output))
    }

    /// What a process has written to its console so far.
    pub(crate) fn console(&self, node: Node) -> Vec<Line> {
        parse(&read(&self.processes[node.0].stdout))
    }

    pub(crate) fn stderr(&self, node: Node) -> String {
        read(&self.processes[node.0].stderr)
    }

    /// The first line that contains this.
    pub(crate) fn find(&self, node: Node, needle: &str) -> Option<Line> {
        let mut lines = self.lines(node).into_iter();
        lines.find(|line| line.text.contains(needle))
    }

    /// How many lines there are so far: what comes after them is [`since`](Self::since).
    pub(crate) fn mark(&self, node: Node) -> usize {
        self.lines(node).len()
    }

    /// The lines after a mark.
    pub(crate) fn since(&self, node: Node, mark: usize) -> Vec<Line> {
        self.lines(node).split_off(mark)
    }
}

// --- waiting ---

impl Network {
    /// Looks again and again until something is there.
    pub(crate) fn wait<T>(&self, what: &str, limit: Duration, found: impl Fn() -> Option<T>) -> T {
        wait(what, limit, found)
    }

    /// Waits for a line that contains this.
    pub(crate) fn expect(&self, node: Node, needle: &str) -> Line {
        self.expect_after(node, 0, needle)
    }

    /// Waits for a line after a mark that contains this.
    pub(crate) fn expect_after(&self, node: Node, mark: usize, needle: &str) -> Line {
        let what = format!("{needle:?} in the log of {}", self.name(node));
        self.wait(&what, PATIENCE, || {
            // Asked before the file is read, so that the last line of an ended process is not missed.
            let ended = self.status(node);
            let mut lines = self.since(node, mark).into_iter();
            let found = lines.find(|line| line.text.contains(needle));
            if let (None, Some(status)) = (&found, ended) {
                panic!("missing when the process ended with {status}: {what}");
            }
            found
        })
    }

    /// Waits for a line everywhere.
    pub(crate) fn expect_all(&self, nodes: &[Node], needle: &str) -> Vec<Line> {
        nodes
            .iter()
            .map(|node| self.expect(*node, needle))
            .collect()
    }

    /// Waits until each of these seeds is connected to the others.
    pub(crate) fn expect_mesh(&self, seeds: &[Node]) {
        for (a, b) in pairs(seeds) {
            self.expect(a, &format!("Connected to seed {}", self.address(b)));
        }
    }

    /// Waits until these logs, each by itself, add up to these members at these incarnations.
    pub(crate) fn expect_members(&self, nodes: &[Node], expected: &BTreeMap<String, u64>) {
        for node in nodes {
            let what = format!("the log of {} to add up to {expected:?}", self.name(*node));
            self.wait(&what, PATIENCE, || {
                (members(&self.history(*node)) == *expected).then_some(())
            });
        }
    }

    /// These nodes as members, each in its first life.
    pub(crate) fn first_lives(&self, nodes: &[Node]) -> BTreeMap<String, u64> {
        let lives = nodes.iter().map(|node| (self.address(*node).to_owned(), 1));
        lives.collect()
    }

    /// Watches these logs, whole, for a while: none of these words may come.
    pub(crate) fn expect_none(&self, nodes: &[Node], words: &[&str], watched: Duration) {
        let deadline = Instant::now() + watched;
        loop {
            for node in nodes {
                for word in words {
                    let found = self.find(*node, word);
                    assert!(
                        found.is_none(),
                        "unexpected in the log of {}: {}",
                        self.name(*node),
                        found.unwrap()
                    );
                }
            }
            if Instant::now() >= deadline {
                return;
            }
            sleep(POLL);
        }
    }

    /// Runs a program that cannot start: it must end soon, with a failure and one line of error, which is returned.
    pub(crate) fn error_of(&mut self, program: &str, address: &str, options: &[&str]) -> String {
        let node = self.launch(program, address, options);
        let status = self.exit(node, Duration::from_secs(5));
        let stderr = self.stderr(node);
        assert!(
            !status.success(),
            "expected a failure, got {status}: {stderr:?}"
        );
        assert_eq!(status.code(), Some(1), "{stderr:?}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert_eq!(
            stderr.lines().count(),
            1,
            "expected one line, got {stderr:?}"
        );
        let error = stderr.trim_end().strip_prefix("error: ");
        error
            .unwrap_or_else(|| panic!("expected an error, got {stderr:?}"))
            .to_owned()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if panicking() {
            // Before the end of some is in the logs of the others.
            self.print_tails();
        }
        let mut early = Vec::new();
        for process in &mut self.processes {
            let child = process.child.get_mut();
            if let (Ok(Some(status)), false) = (child.try_wait(), process.may_end) {
                early.push(format!("{} ended by itself with {status}", process.name));
            }
        }
        for process in &mut self.processes {
            let child = process.child.get_mut();
            // An error means that it has ended already.
            let _gone = child.kill();
            let _status = child.wait();
        }
        let panicked: Vec<&str> = self
            .processes
            .iter()
            .filter(|process| read(&process.stderr).contains("panicked"))
            .map(|process| process.name.as_str())
            .collect();
        let is_sound = panicked.is_empty() && early.is_empty();
        if !panicking() && !is_sound {
            self.print_tails();
            panic!("expected no panics and no early ends, got {panicked:?} and {early:?}");
        }
    }
}

impl Network {
    fn print_tails(&self) {
        let mut printed = BTreeSet::new();
        for process in &self.processes {
            for file in [&process.output, &process.stderr] {
                // A restarted node writes on in the same file.
                if !printed.insert(file) {
                    continue;
                }
                let text = read(file);
                let (gossip, lines): (Vec<&str>, Vec<&str>) =
                    text.lines().partition(|line| line.contains(" GOSSIP "));
                println!(
                    "--- {}: {} (and {} lines of GOSSIP)",
                    process.name,
                    file.display(),
                    gossip.len()
                );
                for line in &lines[lines.len().saturating_sub(TAIL)..] {
                    println!("{line}");
                }
            }
        }
    }
}

/// A line of the seed list.
pub(crate) fn csv(address: &str) -> String {
    let (ip, port) = address.rsplit_once(':').unwrap();
    format!("{ip},{port}\n")
}

/// Every ordered pair of two.
pub(crate) fn pairs(nodes: &[Node]) -> impl Iterator<Item = (Node, Node)> {
    nodes.iter().flat_map(move |a| {
        let others = nodes.iter().filter(move |b| *b != a);
        others.map(move |b| (*a, *b))
    })
}

fn read(path: &Path) -> String {
    // A file that is not there yet is empty.
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whole lines; what comes after the last line break is still being written.
fn parse(text: &str) -> Vec<Line> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(Line::parse).collect()
}
