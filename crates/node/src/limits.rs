//! What the runtime allows and waits for: the limits that a role meets but does not set. A simulator keeps to them too.

use std::time::Duration;

/// How many accepted connections may be before their hello; more are dropped at once.
pub const UNPROVEN_MAX: usize = 256;

/// How long a node has to accept a probe before its host is pinged.
pub const PING_AFTER: Duration = Duration::from_millis(100);

/// How long the node may take to send its last words.
pub const LAST_WORDS_MAX: Duration = Duration::from_secs(3);

/// How many requests of the application may wait.
pub const REQUESTS_MAX: usize = 256;

/// How many bytes may wait for one connection; over that it is too slow and is closed.
pub const QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How many bytes of frames may wait for the role, over all connections: readers wait for room.
pub const INBOX_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A frame counts for at least this much, in bytes, in the bounds above: what it costs to hold it.
pub const FRAME_COST: usize = 256;

/// How long a closing connection may take to send what is queued.
pub const FLUSH_MAX: Duration = Duration::from_secs(2);

/// How long one write may take before the connection counts as stuck.
pub const WRITE_MAX: Duration = Duration::from_secs(30);

/// How long one address may take to accept a connection.
pub const CONNECT_MAX: Duration = Duration::from_secs(3);

/// How long a connection may take to finish its TLS handshake.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
