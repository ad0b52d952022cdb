//! Length-prefixed frames and the formats of their bodies.
