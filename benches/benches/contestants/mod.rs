//! Who is measured: clusters of some voters in one thread, with what is under way between them in one queue.

pub(crate) mod councils;
pub(crate) mod omni;
pub(crate) mod raft_rs;

/// Electorates that are measured.
pub(crate) const VOTERS: [usize; 3] = [3, 5, 7];

/// A cluster that decides one thing after another.
pub(crate) trait Contestant {
    /// Decides the next command. Returns when every voter has it, and has seen that it is the one proposed.
    fn decide(&mut self);
}

/// What is decided: a number in 64 bytes.
fn command(number: u64) -> [u8; 64] {
    let mut command = [0xa5; 64];
    command[..8].copy_from_slice(&number.to_le_bytes());
    command
}

/// The number of a command.
fn number_of(command: &[u8]) -> u64 {
    command
        .first_chunk()
        .map_or(u64::MAX, |number| u64::from_le_bytes(*number))
}
