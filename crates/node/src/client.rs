//! A bare connection to a node: for tools, and for tests that say what no role would.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use quorate_consensus::NodeId;
use quorate_wire::{Format, FrameCodec};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsStream;
use tokio_util::codec::Framed;

use crate::config::SeedList;
use crate::identity::Identity;
use crate::protocol::{FRAME_LEN_MAX, Hello, Message, Purpose, RoleKind, VERSIONS};
use crate::roles::DialError;
use crate::transport::dial::dial;
use crate::transport::tls::TlsConfig;

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A connection on which the caller says what it likes.
#[derive(Debug)]
pub struct Client {
    frames: Framed<TlsStream<TcpStream>, FrameCodec>,
    format: Format,
    remote: NodeId,
}

/// Why a client's connection is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// TLS refuses the key.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The node cannot be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// What is to be sent has no encoding.
    #[error(transparent)]
    Encode(#[from] quorate_wire::EncodeError),
    /// What came cannot be read.
    #[error(transparent)]
    Decode(#[from] quorate_wire::DecodeError),
    /// The stream failed.
    #[error(transparent)]
    Frame(#[from] quorate_wire::FrameError),
    /// The node closed the connection.
    #[error("the connection was closed")]
    Closed,
    /// No answer.
    #[error("no answer within {ANSWER_MAX:?}")]
    Silent,
}

impl Client {
    /// Connects as `identity` and exchanges hellos that fit a network of these seeds.
    ///
    /// # Errors
    /// When the node cannot be reached, or answers with something else than a hello.
    pub async fn connect(
        identity: &Identity,
        address: &str,
        seeds: &SeedList,
        purpose: Purpose,
        role: RoleKind,
    ) -> Result<Self, ClientError> {
        let hello = Hello {
            versions: VERSIONS,
            network: seeds.network(),
            seeds: seeds.addresses(),
            format: Format::default(),
            purpose,
            role,
        };
        let mut this = Self::open(identity, address).await?;
        this.say_hello(&hello).await?;
        Ok(this)
    }

    /// Connects as `identity` and says nothing.
    ///
    /// # Errors
    /// When the node cannot be reached.
    pub async fn open(identity: &Identity, address: &str) -> Result<Self, ClientError> {
        let secured = dial(TlsConfig::new(identity)?, vec![address.to_owned()], None).await?;
        Ok(Self {
            frames: Framed::new(secured.stream, FrameCodec::new(FRAME_LEN_MAX)),
            format: Format::default(),
            remote: secured.remote,
        })
    }

    /// Who is at the other end.
    pub const fn remote(&self) -> NodeId {
        self.remote
    }

    /// Sends a hello and waits for the other.
    ///
    /// # Errors
    /// When no hello comes.
    pub async fn say_hello(&mut self, hello: &Hello) -> Result<Hello, ClientError> {
        self.frames.send(Format::Json.encode(hello)?).await?;
        Ok(Format::Json.decode(&self.receive_frame().await?)?)
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub async fn send(&mut self, message: &Message) -> Result<(), ClientError> {
        Ok(self.frames.send(self.format.encode(message)?).await?)
    }

    /// Sends a frame of any content.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub async fn send_raw(&mut self, body: bytes::Bytes) -> Result<(), ClientError> {
        Ok(self.frames.send(body).await?)
    }

    /// The next message.
    ///
    /// # Errors
    /// When the connection ends, nothing comes for 10 s, or what comes cannot be read.
    pub async fn receive(&mut self) -> Result<Message, ClientError> {
        let body = self.receive_frame().await?;
        Ok(self.format.decode(&body)?)
    }

    async fn receive_frame(&mut self) -> Result<bytes::Bytes, ClientError> {
        let frame = timeout(ANSWER_MAX, self.frames.next()).await;
        Ok(frame
            .map_err(|_| ClientError::Silent)?
            .ok_or(ClientError::Closed)??)
    }
}
