//! Which configurations are refused.

use quorate_gossip::{CONTENT_LEN_MAX, Config, ConfigError, Gossip, InquiryConfig};

use crate::support::{ms, start};

#[test]
fn the_defaults_are_valid() {
    assert_eq!(Config::default().validate(), Ok(()));
    assert_eq!(InquiryConfig::default().validate(), Ok(()));
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    type Change = fn(&mut Config);
    let cases: [(&str, Change); 14] = [
        ("payload_max", |config| config.payload_max = 0),
        ("payload_max", |config| config.payload_max = CONTENT_LEN_MAX),
        ("seen_max", |config| {
            config.seen_max = config.store_count_max - 1
        }),
        ("origins_max", |config| config.origins_max = 0),
        ("store_count_max", |config| config.store_count_max = 0),
        ("store_bytes_max", |config| {
            config.store_bytes_max = config.payload_max
        }),
        ("unchecked_bytes_max", |config| {
            config.unchecked_bytes_max = config.unchecked_bytes_per_neighbor_max - 1
        }),
        ("unchecked_bytes_per_neighbor_max", |config| {
            config.unchecked_bytes_per_neighbor_max = config.payload_max
        }),
        ("wanted_per_neighbor_max", |config| {
            config.wanted_per_neighbor_max = 0
        }),
        ("graft_timeout", |config| config.graft_timeout = ms(0)),
        ("check_timeout", |config| {
            config.check_timeout = std::time::Duration::MAX
        }),
        ("silence_min", |config| {
            config.silence_min = config.heartbeat_interval
        }),
        ("silence_max", |config| {
            config.silence_max = config.silence_min - ms(1)
        }),
        ("silence_min", |config| {
            config.late_tolerance = config.silence_min
        }),
    ];
    for (field, change) in cases {
        let mut config = Config::default();
        change(&mut config);
        let error = Gossip::new(*b"m", config, 0, start()).unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("`{field}`")),
            "{field}: {error}"
        );
    }
}

#[test]
fn an_identity_that_cannot_travel_is_refused() {
    let error = Gossip::new([0; 256], Config::default(), 0, start()).unwrap_err();
    assert_eq!(error, ConfigError::PeerIdTooLong { len: 256, max: 255 });
}

#[test]
fn an_inquiry_needs_time_to_be_answered() {
    let config = InquiryConfig {
        deadline: ms(1),
        ..InquiryConfig::default()
    };
    assert!(config.validate().is_err());
}
