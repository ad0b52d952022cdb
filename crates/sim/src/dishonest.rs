//! Participants that lie, one file each.
