//! Gossip with bounded deduplication, repair and two-step liveness, as a pure state machine.
