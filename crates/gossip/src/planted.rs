//! Faults on purpose, for simulations: see `quorate-planted`.

/// Whether a fault is selected. In ordinary builds it is `false`, and nothing of it is compiled in.
#[cfg(feature = "planted")]
macro_rules! planted {
    ($fault:ident) => {
        quorate_planted::is_on(quorate_planted::Fault::$fault)
    };
}

/// Whether a fault is selected. In ordinary builds it is `false`, and nothing of it is compiled in.
#[cfg(not(feature = "planted"))]
macro_rules! planted {
    ($fault:ident) => {
        false
    };
}
