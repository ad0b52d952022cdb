//! Quorum votes as pure state machines: tallies, certificates, rosters, councils.
