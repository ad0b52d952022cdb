//! Quorate nodes: identity, TLS links, roles and their runtime.
