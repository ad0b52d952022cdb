//! The one loop that drives a role: it tells it what happened, and carries out what it wants, in order.
//!
//! ```text
//!   listener ──┐                        ┌──> connections (queue → writer task)
//!   dials ─────┤                        ├──> dial tasks
//!   readers ───┼──> role.handle_… ──────┼──> store thread
//!   store ─────┤    role.poll_output    ├──> events, replies
//!   requests ──┘    role.poll_timeout   └──> sleep
//! ```
//!
//! The loop never waits for a slow connection: what cannot be queued closes it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use quorate_consensus::Now;
use quorate_wire::Format;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{sleep, sleep_until, timeout};
use tracing::{debug, trace};

use crate::event::Event;
use crate::limits::{INBOX_BYTES_MAX, LAST_WORDS_MAX, PING_AFTER, UNPROVEN_MAX};
use crate::roles::{
    ConnId, DialError, DialId, Frame, Output, Reply, Request, RequestId, Role, WriteId,
};
use crate::store::Writer;
use crate::transport::connection::{Connection, Incoming};
use crate::transport::dial::{self, Secured};
use crate::transport::ping::ping;
use crate::transport::tls::TlsConfig;

/// A request and where its answer goes.
pub(crate) type Asked = (Request, oneshot::Sender<Reply>);

/// What a node runs on, beside its role.
pub(crate) struct Resources {
    pub(crate) listener: TcpListener,
    pub(crate) tls: TlsConfig,
    pub(crate) format: Format,
    /// Held while the node runs: its key is nobody else's.
    pub(crate) lock: Option<std::fs::File>,
    /// Without a store, writes are durable as far as this node cares.
    pub(crate) store: Option<(Writer, mpsc::UnboundedReceiver<Written>)>,
}

/// A write's end.
pub(crate) type Written = (WriteId, Result<(), String>);

/// A connection that is up, dialled or accepted.
enum Opened {
    Dialed(DialId, Result<Secured, DialError>),
    Pinged(DialId, bool),
    Accepted(Secured, OwnedSemaphorePermit),
}

struct Runtime<R> {
    role: R,
    tls: TlsConfig,
    format: Format,
    connections: BTreeMap<ConnId, Connection>,
    dials: BTreeMap<DialId, AbortHandle>,
    closing: Vec<JoinHandle<()>>,
    replies: BTreeMap<RequestId, oneshot::Sender<Reply>>,
    next_conn: u64,
    next_request: u64,
    events: broadcast::Sender<Event>,
    writer: Option<Writer>,
    inbox: Arc<Semaphore>,
    incoming: mpsc::UnboundedSender<Incoming>,
    opened: mpsc::UnboundedSender<Opened>,
    listening: AbortHandle,
}

/// Runs a role until it ends.
pub(crate) async fn run<R: Role>(
    role: R,
    resources: Resources,
    mut requests: mpsc::Receiver<Asked>,
    events: broadcast::Sender<Event>,
) {
    let Resources {
        listener,
        tls,
        format,
        store,
        lock: _lock,
    } = resources;
    // Bounded by the inbox's bytes, and by the number of connections.
    let (incoming, mut arrivals) = mpsc::unbounded_channel();
    let (opened, mut openings) = mpsc::unbounded_channel();
    let listening = tokio::spawn(listen(listener, tls.clone(), opened.clone())).abort_handle();
    let (writer, mut written) = match store {
        Some((writer, written)) => (Some(writer), Some(written)),
        None => (None, None),
    };
    let mut runtime = Runtime {
        role,
        tls,
        format,
        connections: BTreeMap::new(),
        dials: BTreeMap::new(),
        closing: Vec::new(),
        replies: BTreeMap::new(),
        next_conn: 0,
        next_request: 0,
        events,
        writer,
        inbox: Arc::new(Semaphore::new(INBOX_BYTES_MAX)),
        incoming,
        opened,
        listening,
    };
    let mut has_handles = true;
    while runtime.carry_out_all() {
        let deadline = runtime.role.poll_timeout();
        let wait = async {
            match deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let next_write = async {
            match &mut written {
                Some(written) => written.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(incoming) = arrivals.recv() => runtime.handle_incoming(incoming),
            Some(opened) = openings.recv() => runtime.handle_opened(opened),
            asked = requests.recv(), if has_handles => match asked {
                Some((request, reply)) => runtime.handle_request(request, reply),
                // Every handle is gone: nobody can ask for a leave any more, so it leaves by itself.
                None => {
                    has_handles = false;
                    runtime.handle_request(Request::Leave, oneshot::channel().0);
                }
            },
            Some((write, result)) = next_write => runtime.role.handle_written(write, result, now()),
            () = wait => runtime.role.handle_timeout(now()),
        }
    }
    runtime.say_last_words().await;
}

impl<R: Role> Runtime<R> {
    fn handle_incoming(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Frame(conn, frame, _share) => {
                trace!(%conn, ?frame, "frame");
                self.role.handle_frame(conn, frame, now());
            }
            Incoming::Closed(conn, cause) => self.drop_connection(conn, &cause),
        }
    }

    fn handle_opened(&mut self, opened: Opened) {
        match opened {
            Opened::Dialed(dial, result) => {
                // A dial that was cancelled while its answer was on the way.
                if self.dials.remove(&dial).is_none() {
                    return;
                }
                match result {
                    Ok(secured) => self.add(Some(dial), secured, None),
                    Err(error) => self.role.handle_dial_failed(dial, error, now()),
                }
            }
            Opened::Pinged(dial, answers) => self.role.handle_pinged(dial, answers, now()),
            Opened::Accepted(secured, guard) => self.add(None, secured, Some(guard)),
        }
    }

    fn add(&mut self, dial: Option<DialId>, secured: Secured, guard: Option<OwnedSemaphorePermit>) {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let connection = Connection::spawn(
            conn,
            secured.stream,
            self.format,
            guard,
            self.inbox.clone(),
            self.incoming.clone(),
        );
        self.connections.insert(conn, connection);
        self.role
            .handle_connected(conn, dial, secured.remote, &secured.address, now());
    }

    fn handle_request(&mut self, request: Request, reply: oneshot::Sender<Reply>) {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.replies.insert(id, reply);
        self.role.handle_request(id, request, now());
    }

    fn drop_connection(&mut self, conn: ConnId, cause: &str) {
        if let Some(connection) = self.connections.remove(&conn) {
            debug!(%conn, cause, "closed");
            self.closing.extend(connection.close());
            self.role.handle_closed(conn, cause, now());
        }
    }

    /// Carries out what the role wants until it wants no more; `false` when it has ended.
    fn carry_out_all(&mut self) -> bool {
        self.closing.retain(|task| !task.is_finished());
        while let Some(output) = self.role.poll_output() {
            match output {
                Output::Dial {
                    dial,
                    endpoints,
                    expect,
                    ping,
                } => {
                    let (tls, opened) = (self.tls.clone(), self.opened.clone());
                    let host = ping.then(|| endpoints.first().cloned()).flatten();
                    let dialing = dial::dial(tls, endpoints, expect);
                    let task = tokio::spawn(async move {
                        let result = match host {
                            Some(host) => dial_and_ping(dial, dialing, &host, &opened).await,
                            None => dialing.await,
                        };
                        // The runtime is gone only when the node has stopped.
                        let _told = opened.send(Opened::Dialed(dial, result));
                    });
                    self.dials.insert(dial, task.abort_handle());
                }
                Output::CancelDial(dial) => {
                    if let Some(task) = self.dials.remove(&dial) {
                        task.abort();
                    }
                }
                Output::Accept(conn) => {
                    if let Some(connection) = self.connections.get_mut(&conn) {
                        connection.accept();
                    }
                }
                Output::Send { to, frame } => self.send(&to, &frame),
                Output::Close(conn) => {
                    if let Some(connection) = self.connections.remove(&conn) {
                        self.closing.extend(connection.close());
                        self.role.handle_closed(conn, "closed by this node", now());
                    }
                }
                Output::Write { write, stored } => match &self.writer {
                    Some(writer) if writer.sender.send((write, stored)).is_ok() => {}
                    Some(_) => {
                        let gone = Err("the store's thread has ended".to_owned());
                        self.role.handle_written(write, gone, now());
                    }
                    None => self.role.handle_written(write, Ok(()), now()),
                },
                Output::Event(event) => {
                    debug!(%event, "event");
                    // Nobody listens: nobody misses it.
                    let _listeners = self.events.send(event);
                }
                Output::Reply(id, reply) => {
                    if let Some(waiting) = self.replies.remove(&id) {
                        // Who asked has stopped waiting.
                        let _taken = waiting.send(reply);
                    }
                }
                Output::Exit => return false,
            }
        }
        true
    }

    fn send(&mut self, to: &[ConnId], frame: &Frame) {
        let body: Bytes = match self.encode(frame) {
            Ok(body) => body,
            Err(error) => {
                // What a role makes can be encoded; if not, that is a bug to be seen, not a reason to stop.
                tracing::error!(%error, "a frame could not be encoded");
                return;
            }
        };
        for conn in to {
            trace!(%conn, ?frame, "send");
            let Some(connection) = self.connections.get(conn) else {
                continue;
            };
            if connection.send(body.clone()).is_err()
                && let Some(connection) = self.connections.remove(conn)
            {
                connection.abort();
                self.role
                    .handle_closed(*conn, "it takes messages too slowly", now());
            }
        }
    }

    fn encode(&self, frame: &Frame) -> Result<Bytes, quorate_wire::EncodeError> {
        match frame {
            Frame::Hello(hello) => Format::Json.encode(hello),
            Frame::Message(message) => self.format.encode(message),
        }
    }

    /// Sends what is queued everywhere, then ends.
    async fn say_last_words(mut self) {
        self.listening.abort();
        let connections = std::mem::take(&mut self.connections);
        self.closing
            .extend(connections.into_values().flat_map(Connection::close));
        let closing = std::mem::take(&mut self.closing);
        let all = async {
            for task in closing {
                // A task that was aborted has nothing more to say.
                let _ended = task.await;
            }
        };
        if timeout(LAST_WORDS_MAX, all).await.is_err() {
            debug!("some connections did not take the last words in time");
        }
        if let Some(Writer { sender, thread }) = self.writer.take() {
            drop(sender);
            // What was handed over is written, and the file free, before the node has stopped.
            let joining = tokio::task::spawn_blocking(move || thread.join());
            if timeout(LAST_WORDS_MAX, joining).await.is_err() {
                tracing::warn!("the disk did not take the last writes in time");
            }
        }
    }
}

impl<R> Drop for Runtime<R> {
    /// Nothing of a node outlives it, also when its task is aborted.
    fn drop(&mut self) {
        self.listening.abort();
        self.dials.values().for_each(AbortHandle::abort);
        self.connections.values().for_each(Connection::abort);
        self.closing.iter().for_each(JoinHandle::abort);
    }
}

/// Dials; when that fails or takes long, also finds out whether the host answers ICMP, and tells that first.
async fn dial_and_ping(
    dial: DialId,
    dialing: impl Future<Output = Result<Secured, DialError>>,
    host: &str,
    opened: &mpsc::UnboundedSender<Opened>,
) -> Result<Secured, DialError> {
    let mut dialing = pin!(dialing);
    let early = timeout(PING_AFTER, &mut dialing).await;
    if let Ok(Ok(secured)) = early {
        return Ok(secured);
    }
    if let Some(answers) = ping(host).await {
        // The runtime is gone only when the node has stopped.
        let _told = opened.send(Opened::Pinged(dial, answers));
    }
    match early {
        Ok(failed) => failed,
        Err(_) => dialing.await,
    }
}

async fn listen(listener: TcpListener, tls: TlsConfig, opened: mpsc::UnboundedSender<Opened>) {
    let unproven = Arc::new(Semaphore::new(UNPROVEN_MAX));
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: give connections time to close.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(guard) = unproven.clone().try_acquire_owned() else {
            debug!(%address, "dropped: too many connections before their hello");
            continue;
        };
        let (tls, opened) = (tls.clone(), opened.clone());
        tokio::spawn(async move {
            match dial::accept(tls, stream, address.to_string()).await {
                Ok(secured) => {
                    // The runtime is gone only when the node has stopped.
                    let _told = opened.send(Opened::Accepted(secured, guard));
                }
                Err(error) => debug!(error, "not a node"),
            }
        });
    }
}

fn now() -> Now {
    // A clock before 1970 is off by more than any window forgives; proposals will say so.
    let unix = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Now {
        instant: Instant::now(),
        unix_ms: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX),
    }
}

/// The time, for making a role before it runs.
pub(crate) fn start_time() -> Now {
    now()
}
