//! Dialling: endpoints in order, names resolved each time, TLS, and the right key at the other end.

use quorate_consensus::NodeId;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::tls::{self, TlsConfig};
use crate::limits::{CONNECT_MAX, HANDSHAKE_MAX};
use crate::roles::DialError;

/// `EMFILE` and `ENFILE`, for which the standard library has no kind.
const TOO_MANY_FILES: i32 = 24;
const TOO_MANY_FILES_IN_SYSTEM: i32 = 23;

/// How many addresses of one name are tried.
const ADDRESSES_MAX: usize = 4;

/// A connection under TLS, with the other end's proven key and the address it was reached at.
pub(crate) struct Secured {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) remote: NodeId,
    pub(crate) address: String,
}

/// Dials the endpoints in order until one answers with the expected key.
pub(crate) async fn dial(
    tls: TlsConfig,
    endpoints: Vec<String>,
    expect: Option<NodeId>,
) -> Result<Secured, DialError> {
    let mut failures = Failures::default();
    for endpoint in endpoints {
        match dial_one(&tls, &endpoint, expect).await {
            Ok(secured) => return Ok(secured),
            Err(error) => failures.add(error),
        }
    }
    Err(failures.verdict("no endpoint to dial"))
}

async fn dial_one(
    tls: &TlsConfig,
    endpoint: &str,
    expect: Option<NodeId>,
) -> Result<Secured, DialError> {
    let unreachable =
        |what: &dyn std::fmt::Display| DialError::Unreachable(format!("{endpoint}: {what}"));
    let addresses = timeout(CONNECT_MAX, tokio::net::lookup_host(endpoint))
        .await
        .map_err(|_| unreachable(&"the name was not resolved in time"))?
        .map_err(|error| unreachable(&error))?;
    let mut failures = Failures::default();
    for address in addresses.take(ADDRESSES_MAX) {
        let stream = match timeout(CONNECT_MAX, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                failures.add(if is_own_fault(&error) {
                    DialError::Local(error.to_string())
                } else if error.kind() == std::io::ErrorKind::ConnectionRefused {
                    DialError::Refused(format!("{endpoint}: {error}"))
                } else {
                    unreachable(&error)
                });
                continue;
            }
            Err(_) => {
                failures.add(unreachable(&"no answer in time"));
                continue;
            }
        };
        // Small messages that wait for answers: delay nothing. A socket that refuses still works.
        let _nodelay = stream.set_nodelay(true);
        let name = tls::server_name().map_err(|error| unreachable(&error))?;
        let connecting = TlsConnector::from(tls.client.clone()).connect(name, stream);
        let stream = match timeout(HANDSHAKE_MAX, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                failures.add(unreachable(&format_args!("TLS: {error}")));
                continue;
            }
            Err(_) => {
                failures.add(unreachable(&"it accepts connections but does not answer"));
                continue;
            }
        };
        let Some(remote) = peer_of(stream.get_ref().1.peer_certificates()) else {
            failures.add(unreachable(&"it showed no Ed25519 key"));
            continue;
        };
        if let Some(expected) = expect
            && expected != remote
        {
            failures.add(DialError::WrongIdentity {
                address: endpoint.to_owned(),
                expected,
                found: remote,
            });
            continue;
        }
        return Ok(Secured {
            stream: stream.into(),
            remote,
            address: endpoint.to_owned(),
        });
    }
    Err(failures.verdict(&format!("{endpoint}: the name has no address")))
}

/// Why several tries failed: nobody is there only if nobody is there at any address.
#[derive(Default)]
struct Failures(Option<DialError>);

impl Failures {
    fn add(&mut self, error: DialError) {
        let is_gone = |error: &DialError| {
            matches!(
                error,
                DialError::Refused(_) | DialError::WrongIdentity { .. }
            )
        };
        if self
            .0
            .as_ref()
            .is_none_or(|worst| is_gone(worst) || !is_gone(&error))
        {
            self.0 = Some(error);
        }
    }

    fn verdict(self, nothing: &str) -> DialError {
        self.0
            .unwrap_or_else(|| DialError::Unreachable(nothing.to_owned()))
    }
}

/// Whether a dial failed for want of something on this side: that says nothing of the other.
fn is_own_fault(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::AddrNotAvailable
            | ErrorKind::NetworkDown
            | ErrorKind::NetworkUnreachable
            | ErrorKind::OutOfMemory
            | ErrorKind::PermissionDenied
    ) || matches!(
        error.raw_os_error(),
        Some(TOO_MANY_FILES | TOO_MANY_FILES_IN_SYSTEM)
    )
}

/// The other half: secures a connection that was accepted.
pub(crate) async fn accept(
    tls: TlsConfig,
    stream: TcpStream,
    address: String,
) -> Result<Secured, String> {
    let _nodelay = stream.set_nodelay(true);
    let accepting = TlsAcceptor::from(tls.server).accept(stream);
    let stream = timeout(HANDSHAKE_MAX, accepting)
        .await
        .map_err(|_| format!("{address}: no TLS handshake within {HANDSHAKE_MAX:?}"))?
        .map_err(|error| format!("{address}: TLS: {error}"))?;
    let remote = peer_of(stream.get_ref().1.peer_certificates())
        .ok_or_else(|| format!("{address}: it showed no Ed25519 key"))?;
    Ok(Secured {
        stream: stream.into(),
        remote,
        address,
    })
}

fn peer_of(certificates: Option<&[rustls::pki_types::CertificateDer<'_>]>) -> Option<NodeId> {
    match certificates? {
        [spki] => tls::node_id(spki),
        _ => None,
    }
}
