//! One connection: a reader task, a writer task, and a queue between the role and the writer that is bounded in bytes.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use quorate_wire::{Format, FrameCodec, FrameError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsStream;
use tokio_util::codec::{FramedRead, FramedWrite};

use crate::limits::{FLUSH_MAX, FRAME_COST, QUEUE_BYTES_MAX, WRITE_MAX};
use crate::protocol::{FRAME_LEN_MAX, HELLO_LEN_MAX, Message};
use crate::roles::{ConnId, Frame};

/// What a connection's tasks tell the runtime.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are frames")]
pub(crate) enum Incoming {
    /// A frame, and its share of the inbox.
    Frame(ConnId, Frame, OwnedSemaphorePermit),
    /// The end, and why.
    Closed(ConnId, String),
}

/// The runtime's end of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    queue: mpsc::UnboundedSender<Bytes>,
    queued: Arc<AtomicUsize>,
    accepted: Option<oneshot::Sender<()>>,
    /// Dropped to make the reader discard what still comes.
    _reading: oneshot::Sender<()>,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
}

/// The queue is full.
#[derive(Debug)]
pub(crate) struct TooSlow;

impl Connection {
    /// Starts the tasks. `guard` is held until the hellos are accepted or the connection ends.
    pub(crate) fn spawn(
        id: ConnId,
        stream: TlsStream<TcpStream>,
        format: Format,
        guard: Option<OwnedSemaphorePermit>,
        inbox: Arc<Semaphore>,
        incoming: mpsc::UnboundedSender<Incoming>,
    ) -> Self {
        let (read, write) = tokio::io::split(stream);
        let (queue, queue_end) = mpsc::unbounded_channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let (accepted, was_accepted) = oneshot::channel();
        let (reading, mut is_closing) = oneshot::channel();
        let closed = incoming.clone();
        let reader = tokio::spawn(async move {
            let mut frames = FramedRead::new(read, FrameCodec::new(HELLO_LEN_MAX));
            let cause = tokio::select! {
                cause = read_frames(id, &mut frames, format, guard, was_accepted, inbox, &incoming) => cause,
                _ = &mut is_closing => {
                    linger(frames.into_inner()).await;
                    return;
                }
            };
            // The runtime is gone only when the node has stopped.
            let _told = incoming.send(Incoming::Closed(id, cause));
        });
        let drained = queued.clone();
        let writer = tokio::spawn(async move {
            if let Err(cause) = write_frames(write, queue_end, &drained).await {
                let _told = closed.send(Incoming::Closed(id, cause));
            }
        });
        Self {
            queue,
            queued,
            accepted: Some(accepted),
            _reading: reading,
            reader,
            writer,
        }
    }

    /// Queues an encoded frame; never waits.
    pub(crate) fn send(&self, frame: Bytes) -> Result<(), TooSlow> {
        let cost = frame.len().max(FRAME_COST);
        let before = self.queued.fetch_add(cost, Ordering::Relaxed);
        if before + cost > QUEUE_BYTES_MAX {
            return Err(TooSlow);
        }
        // A writer that has ended has told why; the runtime will hear it.
        let _queued = self.queue.send(frame);
        Ok(())
    }

    /// The hellos fit: longer frames may come, and are read.
    pub(crate) fn accept(&mut self) {
        if let Some(accepted) = self.accepted.take() {
            // The reader has ended: it has told why.
            let _read_on = accepted.send(());
        }
    }

    /// Sends what is queued, then closes. The tasks end by themselves, in bounded time.
    pub(crate) fn close(self) -> [JoinHandle<()>; 2] {
        [self.reader, self.writer]
    }

    /// Closes as a crash would: nothing more is sent.
    pub(crate) fn abort(&self) {
        self.reader.abort();
        self.writer.abort();
    }
}

/// Reads on and forgets until the other end has closed too. A socket closed with unread data resets the connection,
/// and a reset would destroy the goodbye on its way.
async fn linger(mut read: ReadHalf<TlsStream<TcpStream>>) {
    let discard = async {
        let mut sink = [0; 4096];
        while matches!(read.read(&mut sink).await, Ok(count) if count > 0) {}
    };
    let _in_time = timeout(FLUSH_MAX, discard).await;
}

async fn read_frames(
    id: ConnId,
    frames: &mut FramedRead<ReadHalf<TlsStream<TcpStream>>, FrameCodec>,
    format: Format,
    guard: Option<OwnedSemaphorePermit>,
    was_accepted: oneshot::Receiver<()>,
    inbox: Arc<Semaphore>,
    incoming: &mpsc::UnboundedSender<Incoming>,
) -> String {
    let mut was_accepted = Some(was_accepted);
    let mut guard = guard;
    loop {
        let body = match frames.next().await {
            None => return "the connection was closed".to_owned(),
            // What a process that was killed leaves behind, in rustls' words or the kernel's.
            Some(Err(FrameError::Io(error))) if error.kind() == ErrorKind::UnexpectedEof => {
                return "the connection broke off".to_owned();
            }
            Some(Err(error)) => return error.to_string(),
            Some(Ok(body)) => body,
        };
        let cost = u32::try_from(body.len().max(FRAME_COST)).unwrap_or(u32::MAX);
        let Ok(permit) = inbox.clone().acquire_many_owned(cost).await else {
            return "the node has stopped".to_owned();
        };
        let frame = if was_accepted.is_some() {
            read_first(&body, format)
        } else {
            format.decode::<Message>(&body).map(Frame::Message)
        };
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return format!("unreadable frame: {error}"),
        };
        let is_refusal = was_accepted.is_some() && matches!(frame, Frame::Message(_));
        if incoming.send(Incoming::Frame(id, frame, permit)).is_err() {
            return "the node has stopped".to_owned();
        }
        if is_refusal {
            return "it was refused".to_owned();
        }
        // Nothing after the hello is read before it is accepted.
        if let Some(was_accepted) = was_accepted.take() {
            if was_accepted.await.is_err() {
                return "refused".to_owned();
            }
            guard.take();
            frames.decoder_mut().set_max_frame_len(FRAME_LEN_MAX);
        }
    }
}

/// The first frame: a hello, or a goodbye of a node that does not even say hello.
fn read_first(body: &[u8], format: Format) -> Result<Frame, quorate_wire::DecodeError> {
    Format::Json
        .decode(body)
        .map(Frame::Hello)
        .or_else(|error| match format.decode(body) {
            Ok(goodbye @ Message::Goodbye(_)) => Ok(Frame::Message(goodbye)),
            _ => Err(error),
        })
}

async fn write_frames(
    write: WriteHalf<TlsStream<TcpStream>>,
    mut queue: mpsc::UnboundedReceiver<Bytes>,
    queued: &AtomicUsize,
) -> Result<(), String> {
    let mut frames = FramedWrite::new(write, FrameCodec::new(FRAME_LEN_MAX));
    let stuck = || format!("nothing could be sent for {WRITE_MAX:?}");
    while let Some(frame) = queue.recv().await {
        queued.fetch_sub(frame.len().max(FRAME_COST), Ordering::Relaxed);
        let feeding = timeout(WRITE_MAX, frames.feed(frame)).await;
        feeding
            .map_err(|_| stuck())?
            .map_err(|error| error.to_string())?;
        // What is queued goes out together.
        if queue.is_empty() {
            let flushing = timeout(WRITE_MAX, frames.flush()).await;
            flushing
                .map_err(|_| stuck())?
                .map_err(|error| error.to_string())?;
        }
    }
    // The runtime has dropped its end: all is queued. The other end learns by TLS that this was no accident.
    let mut write = frames.into_inner();
    let _closed = timeout(FLUSH_MAX, write.shutdown()).await;
    Ok(())
}
