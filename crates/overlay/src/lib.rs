//! Power-law overlays: who links to whom, and how links are repaired.
