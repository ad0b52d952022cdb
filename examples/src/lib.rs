//! What the example programs share: the documents' log, the signals that end a program, one-line errors.

pub mod typing;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quorate_node::{Events, Node};

/// The time since the Unix epoch.
pub fn unix_time() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// The time as the documents write it: seconds since the Unix epoch with six decimals.
pub fn timestamp() -> String {
    let now = unix_time();
    format!("{}.{:06}", now.as_secs(), now.subsec_micros())
}

/// A text with its control characters made visible: from other nodes, they could break a line in two or steer a terminal.
pub fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            visible.extend(c.escape_default());
        } else {
            visible.push(c);
        }
    }
    visible
}

/// Lines on the console and in the program's output file.
#[derive(Debug)]
pub struct Log {
    file: File,
    console_is_gone: bool,
}

impl Log {
    /// Opens the output file; an earlier run's lines stay.
    ///
    /// # Errors
    /// When it cannot be written, saying which.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, String> {
        let path = path.as_ref();
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(Self {
            file,
            console_is_gone: false,
        })
    }

    /// One line, with the time before it.
    pub fn line(&mut self, text: impl std::fmt::Display) {
        let line = format!("{} {}\n", timestamp(), visible(&text.to_string()));
        // A disk that is full stops the log, not the node.
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // Nor does an error output that is on the same disk.
            let _told = writeln!(io::stderr(), "cannot write the output file: {error}");
        }
        // Nor does a console that was closed.
        if !self.console_is_gone {
            self.console_is_gone = io::stdout().write_all(line.as_bytes()).is_err();
        }
    }
}

/// Logs events until the node has stopped.
pub async fn log_to_the_end(mut events: Events, log: &mut Log) {
    while let Some(event) = events.next().await {
        log.line(event);
    }
}

/// Ctrl+C, SIGTERM and a closed terminal (SIGHUP), watched from the moment this is made: one that comes before the node runs is not lost.
#[derive(Debug)]
pub struct StopSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    /// The terminal was closed.
    #[cfg(unix)]
    hang_up: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the signals cannot be watched.
    pub fn watch() -> Result<Self, String> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let watch =
                |kind| signal(kind).map_err(|error| format!("cannot watch for signals: {error}"));
            Ok(Self {
                interrupt: watch(SignalKind::interrupt())?,
                terminate: watch(SignalKind::terminate())?,
                hang_up: watch(SignalKind::hangup())?,
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Makes the node leave at the first of them.
    pub fn leave(mut self, node: Node) {
        tokio::spawn(async move {
            self.first().await;
            node.leave().await;
        });
    }

    /// Does something that may take long.
    ///
    /// # Errors
    /// When one of them comes first.
    pub async fn or_stopped<T>(&mut self, work: impl Future<Output = T>) -> Result<T, String> {
        tokio::select! {
            done = work => Ok(done),
            () = self.first() => Err("stopped before it had begun".to_owned()),
        }
    }

    #[cfg(unix)]
    async fn first(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn first(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Keeps a damaged store to one line: the database panics on some damaged pages, and the node makes an error of that,
/// which is told.
pub fn hush_the_opening_of_stores() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().name() != Some(quorate_node::store::OPENING_THREAD) {
            usual(info);
        }
    }));
}

/// Shows what the library traces, as far as `RUST_LOG` asks for it.
pub fn trace_as_asked() {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(io::stderr)
        .init();
}

/// The exit code of a program, its error on one line.
pub fn exit(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The arguments, or how to exit: an argument that cannot be used is told on one line.
///
/// # Errors
/// When the program is to end at once: after an error, or the help that was asked for.
pub fn one_line_arguments<A: clap::Parser>() -> Result<A, ExitCode> {
    A::try_parse().map_err(|error| {
        let code = u8::try_from(error.exit_code()).unwrap_or(u8::MAX);
        if error.use_stderr() {
            let text = error.to_string();
            // The rest is the usage, which `--help` has.
            eprintln!("{}", text.lines().next().unwrap_or_default());
        } else {
            print!("{error}");
        }
        ExitCode::from(code)
    })
}
