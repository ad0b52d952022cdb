//! A scene: bootstraps and members as processes, each with its terminal or its pipes, and waiting for what they show.
//!
//! A test waits for text, with a deadline, and never for time to pass; only to see that something does *not* happen, it
//! watches for a while. Whatever a test started ends with it: only those processes, by their ids.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{panicking, sleep, spawn};
use std::time::{Duration, Instant};

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

pub(crate) use crate::common::PATIENCE;
use crate::common::{POLL, built, free_port, turn, wait};

/// A process of a [`Scene`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who(usize);

/// What a process reads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Input {
    /// A person at a pseudo-terminal, who also sees what it writes there.
    Person,
    /// A pipe.
    Pipe,
    /// Nothing at all.
    None,
}

/// A line, and when it was complete.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) at: Instant,
    pub(crate) text: String,
}

/// All that was shown so far.
#[derive(Debug, Default)]
struct Shown {
    lines: Vec<Line>,
    /// What comes after the last line.
    open: String,
}

struct Process {
    name: String,
    port: u16,
    child: RefCell<Child>,
    keyboard: RefCell<Option<Keyboard>>,
    shown: Arc<Mutex<Shown>>,
    may_end: bool,
}

enum Keyboard {
    Terminal(File),
    Pipe(ChildStdin),
}

/// The processes of a test.
pub(crate) struct Scene {
    dir: TempDir,
    processes: Vec<Process>,
    ports: BTreeSet<u16>,
    /// Held until all of them have ended.
    _turn: Arc<File>,
}

// --- starting ---

impl Scene {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            processes: Vec::new(),
            ports: BTreeSet::new(),
            _turn: turn(),
        }
    }

    /// A bootstrap at a free port, which listens.
    pub(crate) fn bootstrap(&mut self) -> Who {
        let port = self.free_port();
        self.bootstrap_at(port)
    }

    pub(crate) fn bootstrap_at(&mut self, port: u16) -> Who {
        let listen = format!("127.0.0.1:{port}");
        let who = self.launch("bootstrap", port, Input::None, &["--listen", &listen]);
        self.expect(who, "The bootstrap listens at ");
        who
    }

    /// A member at a free port, and nothing waited for.
    pub(crate) fn member(&mut self, input: Input, options: &[&str]) -> Who {
        let port = self.free_port();
        self.member_at(port, input, options)
    }

    pub(crate) fn member_at(&mut self, port: u16, input: Input, options: &[&str]) -> Who {
        let listen = format!("127.0.0.1:{port}");
        let mut all = vec!["--listen", &listen];
        all.extend(options);
        self.launch("member", port, input, &all)
    }

    /// As many members that allow everybody, of a network of their own, found by a bootstrap, which is the first returned.
    pub(crate) fn crowd(&mut self, count: usize) -> (Who, Vec<Who>) {
        let bootstrap = self.bootstrap();
        let by = self.address(bootstrap);
        let options = ["--bootstrap", &by, "--auto", "allow"];
        let mut members = Vec::new();
        for _ in 0..count {
            let member = self.member(Input::None, &options);
            self.expect(member, "Welcome to network");
            members.push(member);
        }
        (bootstrap, members)
    }

    /// Starts a program that listens at this port, if nothing keeps it from doing so.
    pub(crate) fn launch(
        &mut self,
        program: &str,
        port: u16,
        input: Input,
        options: &[&str],
    ) -> Who {
        let mut command = Command::new(built(program));
        command
            .current_dir(&self.dir)
            .args(options)
            .env_remove("RUST_LOG");
        let shown = Arc::new(Mutex::new(Shown::default()));
        let (child, keyboard) = match input {
            Input::Person => {
                let terminal = openpty(None, None).unwrap();
                let screen = || Stdio::from(terminal.slave.try_clone().unwrap());
                let child = command.stdin(screen()).stdout(screen()).stderr(screen());
                let child = child.spawn().unwrap();
                let keyboard = File::from(terminal.master);
                watch(keyboard.try_clone().unwrap(), &shown);
                (child, Some(Keyboard::Terminal(keyboard)))
            }
            Input::Pipe | Input::None => {
                let (reader, writer) = std::io::pipe().unwrap();
                let writer = OwnedFd::from(writer);
                command
                    .stdout(writer.try_clone().unwrap())
                    .stderr(writer.try_clone().unwrap());
                let is_pipe = matches!(input, Input::Pipe);
                command.stdin(if is_pipe {
                    Stdio::piped()
                } else {
                    Stdio::null()
                });
                let mut child = command.spawn().unwrap();
                watch(reader, &shown);
                let keyboard = child.stdin.take().map(Keyboard::Pipe);
                (child, keyboard)
            }
        };
        self.processes.push(Process {
            name: format!("{program} {port}"),
            port,
            child: RefCell::new(child),
            keyboard: RefCell::new(keyboard),
            shown,
            may_end: false,
        });
        Who(self.processes.len() - 1)
    }

    pub(crate) fn free_port(&mut self) -> u16 {
        free_port(&mut self.ports)
    }

    /// A directory that only this scene uses.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Reads all that a process shows, in a thread of its own, which ends with the process.
fn watch(mut from: impl Read + Send + 'static, shown: &Arc<Mutex<Shown>>) {
    let shown = shown.clone();
    spawn(move || {
        let mut buffer = [0; 4096];
        // A pseudo-terminal whose other end is gone fails to be read.
        while let Ok(len @ 1..) = from.read(&mut buffer) {
            let at = Instant::now();
            let text = String::from_utf8_lossy(&buffer[..len]).replace('\r', "");
            let mut shown = shown.lock().unwrap();
            shown.open.push_str(&text);
            while let Some((line, rest)) = shown.open.split_once('\n') {
                let (text, rest) = (line.to_owned(), rest.to_owned());
                shown.lines.push(Line { at, text });
                shown.open = rest;
            }
        }
    });
}

// --- what people do ---

impl Scene {
    /// Types a line.
    pub(crate) fn types(&self, who: Who, line: &str) {
        let mut keyboard = self.processes[who.0].keyboard.borrow_mut();
        let line = format!("{line}\n");
        match keyboard.as_mut().unwrap() {
            Keyboard::Terminal(file) => file.write_all(line.as_bytes()).unwrap(),
            Keyboard::Pipe(pipe) => pipe.write_all(line.as_bytes()).unwrap(),
        }
    }

    /// Writes the same into a pipe again and again, as `yes` does, until nobody reads it any more.
    pub(crate) fn floods(&self, who: Who, text: &'static str) {
        let keyboard = self.processes[who.0].keyboard.borrow_mut().take();
        let Some(Keyboard::Pipe(mut pipe)) = keyboard else {
            panic!("expected a pipe");
        };
        spawn(move || while pipe.write_all(text.as_bytes()).is_ok() {});
    }

    /// Ends a pipe.
    pub(crate) fn closes_input(&self, who: Who) {
        *self.processes[who.0].keyboard.borrow_mut() = None;
    }

    pub(crate) fn signal(&self, who: Who, signal: Signal) {
        let id = i32::try_from(self.id(who)).unwrap();
        kill(Pid::from_raw(id), signal).unwrap();
    }

    /// Sends SIGKILL and waits for the end; returns when the signal was sent.
    pub(crate) fn kill(&mut self, who: Who) -> Instant {
        self.processes[who.0].may_end = true;
        let at = Instant::now();
        self.signal(who, Signal::SIGKILL);
        self.exit(who);
        at
    }

    /// Waits for the end of a process.
    pub(crate) fn exit(&mut self, who: Who) -> ExitStatus {
        self.processes[who.0].may_end = true;
        let what = format!("{} to end", self.name(who));
        wait(&what, PATIENCE, || self.status(who))
    }

    fn status(&self, who: Who) -> Option<ExitStatus> {
        let process = &self.processes[who.0];
        process.child.borrow_mut().try_wait().unwrap()
    }
}

// --- what there is to see ---

impl Scene {
    fn name(&self, who: Who) -> &str {
        &self.processes[who.0].name
    }

    pub(crate) fn id(&self, who: Who) -> u32 {
        self.processes[who.0].child.borrow().id()
    }

    pub(crate) fn port(&self, who: Who) -> String {
        self.processes[who.0].port.to_string()
    }

    pub(crate) fn address(&self, who: Who) -> String {
        format!("127.0.0.1:{}", self.processes[who.0].port)
    }

    /// What a process has shown so far; the last line may still be open.
    pub(crate) fn lines(&self, who: Who) -> Vec<Line> {
        let shown = self.processes[who.0].shown.lock().unwrap();
        let mut lines = shown.lines.clone();
        if !shown.open.is_empty() {
            lines.push(Line {
                at: Instant::now(),
                text: shown.open.clone(),
            });
        }
        lines
    }

    pub(crate) fn text(&self, who: Who) -> Vec<String> {
        self.lines(who).into_iter().map(|line| line.text).collect()
    }

    /// The first line that contains this.
    pub(crate) fn find(&self, who: Who, needle: &str) -> Option<Line> {
        let mut lines = self.lines(who).into_iter();
        lines.find(|line| line.text.contains(needle))
    }

    /// How many lines contain this.
    pub(crate) fn count(&self, who: Who, needle: &str) -> usize {
        let lines = self.lines(who);
        lines
            .iter()
            .filter(|line| line.text.contains(needle))
            .count()
    }

    /// How many whole lines there are so far: what comes after them is looked at by [`expect_after`](Self::expect_after).
    pub(crate) fn mark(&self, who: Who) -> usize {
        self.processes[who.0].shown.lock().unwrap().lines.len()
    }

    /// Waits for a line that contains this.
    pub(crate) fn expect(&self, who: Who, needle: &str) -> Line {
        self.expect_after(who, 0, needle)
    }

    pub(crate) fn expect_after(&self, who: Who, mark: usize, needle: &str) -> Line {
        let what = format!("{needle:?} at {}", self.name(who));
        let found = || {
            self.lines(who)
                .into_iter()
                .skip(mark)
                .find(|line| line.text.contains(needle))
        };
        wait(&what, PATIENCE, || {
            // Asked before what it shows is looked at.
            let ended = self.status(who);
            match (found(), ended) {
                (None, Some(status)) => {
                    // Its last words may still be on their way.
                    sleep(20 * POLL);
                    Some(found().unwrap_or_else(|| {
                        panic!("missing when the process ended with {status}: {what}")
                    }))
                }
                (found, _) => found,
            }
        })
    }

    /// Watches for a while: none of these may show this.
    pub(crate) fn expect_none(&self, all: &[Who], needle: &str, watched: Duration) {
        let deadline = Instant::now() + watched;
        loop {
            for who in all {
                assert_eq!(
                    self.count(*who, needle),
                    0,
                    "{needle:?} at {}",
                    self.name(*who)
                );
            }
            if Instant::now() >= deadline {
                return;
            }
            sleep(POLL);
        }
    }

    /// Who is in, as a member lists it when asked.
    pub(crate) fn members(&self, who: Who) -> Vec<String> {
        let mark = self.mark(who);
        self.types(who, "/members");
        let line = self.expect_after(who, mark, " members: ").text;
        let (_, list) = line.split_once(" members: ").unwrap();
        list.split(", ").map(str::to_owned).collect()
    }

    /// Waits until each of these lists exactly these as members.
    pub(crate) fn expect_members(&self, all: &[Who], members: &[Who]) {
        let mut expected: Vec<String> = members.iter().map(|who| self.port(*who)).collect();
        expected.sort();
        for who in all {
            let what = format!("{} to list {expected:?}", self.name(*who));
            wait(&what, PATIENCE, || {
                (self.members(*who) == expected).then_some(())
            });
        }
    }

    /// The decisions that a member told: who is in, has left, or is gone, in that order.
    pub(crate) fn decisions(&self, who: Who) -> Vec<String> {
        let is_one = |line: &String| {
            line.contains(" is in: ") || line.ends_with(" has left") || line.ends_with(" is gone")
        };
        self.text(who).into_iter().filter(is_one).collect()
    }

    /// What a process showed that could not start: it must end soon, with this code and one line.
    pub(crate) fn error_of(&mut self, program: &str, options: &[&str], code: i32) -> String {
        let who = self.launch(program, 0, Input::None, options);
        let status = self.exit(who);
        assert_eq!(status.code(), Some(code), "{:?}", self.text(who));
        let what = format!("an error of {program} {options:?}");
        let errors = || {
            // Whole lines: the program has ended, and what it wrote is still being read.
            let shown = self.processes[who.0].shown.lock().unwrap();
            let lines = shown.lines.iter().map(|line| line.text.clone());
            let all: Vec<String> = lines
                .filter(|line| !line.starts_with("My peer is running"))
                .collect();
            (!all.is_empty()).then_some(all)
        };
        let errors = wait(&what, PATIENCE, errors);
        assert_eq!(errors.len(), 1, "{errors:?}");
        let error = errors[0].strip_prefix("error: ");
        error
            .unwrap_or_else(|| panic!("expected an error, got {errors:?}"))
            .to_owned()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let mut unsound = Vec::new();
        for process in &mut self.processes {
            let child = process.child.get_mut();
            if let (Ok(Some(status)), false) = (child.try_wait(), process.may_end) {
                unsound.push(format!("{} ended by itself with {status}", process.name));
            }
        }
        for process in &mut self.processes {
            let child = process.child.get_mut();
            // An error means that it has ended already.
            let _gone = child.kill();
            let _status = child.wait();
        }
        let all = (0..self.processes.len()).map(Who);
        let panicked = all.filter(|who| self.count(*who, "panicked") > 0);
        unsound.extend(panicked.map(|who| format!("{} panicked", self.name(who))));
        if panicking() || !unsound.is_empty() {
            for (number, process) in self.processes.iter().enumerate() {
                println!("--- {}", process.name);
                self.text(Who(number))
                    .iter()
                    .for_each(|line| println!("{line}"));
            }
        }
        assert!(panicking() || unsound.is_empty(), "{unsound:?}");
    }
}
