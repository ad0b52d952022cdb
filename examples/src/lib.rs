//! What the example programs share: the documents' log, the signals that end a program, one-line errors.

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

    /// One line, with the time before it. Control characters from other nodes are made visible, so that a line stays
    /// one line and a terminal is not steered.
    pub fn line(&mut self, text: impl std::fmt::Display) {
        let mut line = timestamp();
        line.push(' ');
        for c in text.to_string().chars() {
            if c.is_control() {
                line.extend(c.escape_default());
            } else {
                line.push(c);
            }
        }
        line.push('\n');
        // A disk that is full stops the log, not the node.
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            eprintln!("cannot write the output file: {error}");
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

/// Waits for Ctrl+C or SIGTERM.
///
/// # Errors
/// When the signals cannot be watched.
pub async fn told_to_stop() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// Makes the node leave on Ctrl+C or SIGTERM.
pub fn leave_on_signal(node: Node) {
    tokio::spawn(async move {
        match told_to_stop().await {
            Ok(()) => node.leave().await,
            Err(error) => eprintln!("cannot watch for signals: {error}"),
        }
    });
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
