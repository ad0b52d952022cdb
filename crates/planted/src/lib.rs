//! Faults planted in simulated nodes on purpose, to show that the simulator's checkers catch them.
//!
//! A checker that never complains may be blind. So each [`Fault`] breaks one promise of the product, at the one place where
//! the product keeps it; a simulation selects one by its name, and a checker has to notice.
//!
//! # Invariants
//!
//! - The product asks [`is_on`] only in builds with its `planted` feature, which no default turns on. In every other build
//!   neither the question nor this crate is there.
//! - Also in a build with the feature nothing is broken before somebody selects a fault.
//! - The selection belongs to the thread: networks that are simulated on several threads do not see each other's. It ends
//!   with the call to [`with`] that made it, however that ends.
//!
//! # Left out
//!
//! A fault says where a node goes wrong, not when it matters: most show only in company of a crash, a split network or a
//! participant that takes advantage. Those are the simulator's to bring about.
//!
//! # Example
//!
//! ```
//! use quorate_planted::{Fault, is_on, with};
//!
//! let fault: Fault = "repair-off".parse()?;
//! assert!(!is_on(fault));
//! with(Some(fault), || {
//!     assert!(is_on(fault));
//!     // A checker that uses the product's own verification does so without the fault.
//!     with(None, || assert!(!is_on(fault)));
//!     assert!(is_on(fault));
//! });
//! assert!(!is_on(fault));
//! # Ok::<(), quorate_planted::UnknownFault>(())
//! ```

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

/// One line per fault: what is broken, for the documentation and for people alike, and its name.
macro_rules! faults {
    ($(#[doc = $description:literal] $fault:ident = $name:literal,)+) => {
        /// One promise of the product, broken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $(#[doc = $description] $fault,)+
        }

        impl Fault {
            /// Every fault.
            pub const ALL: &[Self] = &[$(Self::$fault),+];

            /// What it is selected by.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)+
                }
            }

            /// What is broken, in one line.
            pub const fn description(self) -> &'static str {
                match self {
                    // A documentation comment keeps the blank after its slashes.
                    $(Self::$fault => $description.trim_ascii_start(),)+
                }
            }
        }
    };
}

faults! {
    /// A seed's vote leaves, and counts, before it is durable.
    VoteBeforePersist = "vote-before-persist",
    /// A certificate is accepted with one signature fewer than the quorum.
    CertificateOneShort = "certificate-one-short",
    /// A seed decides by a majority of those that have answered when it repeats itself, and everybody accepts that.
    ElectorateByWhoIsUp = "electorate-by-who-is-up",
    /// Standings are compared without their incarnation, so who was evicted once stays out in every later life.
    IncarnationIgnored = "incarnation-ignored",
    /// A roster that merges two standings of one node keeps the smaller.
    RosterPrefersOlder = "roster-prefers-older",
    /// A seed votes yes on an eviction without probing the suspect itself.
    EvictionWithoutProbe = "eviction-without-probe",
    /// Testimonies in a report of a death count without their witnesses' signatures.
    WitnessSignaturesUnchecked = "witness-signatures-unchecked",
    /// A certificate that the same voters signed for another network is accepted.
    NetworkIdUnchecked = "network-id-unchecked",
    /// A seed commits and announces a standing before its proof is durable.
    StoreIgnored = "store-ignored",
    /// A seed goes on voting in an epoch that it has sealed.
    SealIgnored = "seal-ignored",
    /// An electorate is handed over by one seal fewer than the quorum.
    HandoverOneShort = "handover-one-short",
    /// Contradicting votes and statements are neither kept nor told as evidence.
    EvidenceSwallowed = "evidence-swallowed",
    /// A member's PROMISE and ACCEPTED leave before they are durable.
    AcceptanceBeforePersist = "acceptance-before-persist",
    /// The ALLOWs of a majority are enough for an admission to an open network.
    AllowOfMost = "allow-of-most",
    /// An acceptor takes part in ballots lower than the one it promised.
    PromiseIgnored = "promise-ignored",
    /// A broadcast is delivered again with every copy that comes.
    MessageListForgets = "message-list-forgets",
    /// Neighbours do not tell each other what they hold when their link comes up.
    RepairOff = "repair-off",
    /// A broadcast of another is delivered, but not passed on.
    ForwardingOff = "forwarding-off",
    /// A broadcast is delivered and passed on without its origin's signature being checked.
    MessageUnchecked = "message-unchecked",
    /// Connections of a node that is out are not cut, and what it goes on to say is accepted.
    EvictedNotCut = "evicted-not-cut",
    /// More connections are kept than the options allow, in all and with one node.
    ConnectionsUnlimited = "connections-unlimited",
    /// A connection may bring any number of costly questions.
    QuestionsUnlimited = "questions-unlimited",
}

/// A name that is no fault's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownFault(String);

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected one of ")?;
        for fault in Fault::ALL {
            write!(f, "{fault}, ")?;
        }
        write!(f, "got {:?}", self.0)
    }
}

impl std::error::Error for UnknownFault {}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.iter().copied();
        all.find(|fault| fault.name() == name)
            .ok_or_else(|| UnknownFault(name.to_owned()))
    }
}

impl fmt::Display for Fault {
    /// Its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

thread_local! {
    static SELECTED: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Whether this fault is selected on this thread.
pub fn is_on(fault: Fault) -> bool {
    SELECTED.get() == Some(fault)
}

/// Acts with this fault selected, or none, and brings the previous selection back afterwards, also when `act` panics.
///
/// It holds for what `act` does on this thread before it returns: not for threads that it starts, and not for a future that
/// it makes and somebody else polls.
pub fn with<T>(fault: Option<Fault>, act: impl FnOnce() -> T) -> T {
    let _restore = Restore(SELECTED.replace(fault));
    act()
}

/// Brings a selection back.
struct Restore(Option<Fault>);

impl Drop for Restore {
    fn drop(&mut self) {
        SELECTED.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::panic::catch_unwind;

    use super::*;

    fn selected() -> Vec<Fault> {
        let all = Fault::ALL.iter().copied();
        all.filter(|fault| is_on(*fault)).collect()
    }

    #[test]
    fn a_name_in_kebab_case_finds_its_fault_and_no_other() {
        let names: BTreeSet<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        for fault in Fault::ALL {
            let debug = format!("{fault:?}");
            let words = debug.chars().enumerate().flat_map(|(index, letter)| {
                let dash = (index > 0 && letter.is_uppercase()).then_some('-');
                dash.into_iter().chain(letter.to_lowercase())
            });
            assert_eq!(words.collect::<String>(), fault.name());
            assert_eq!(fault.name().parse(), Ok(*fault));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_all_names() {
        let error = "rust".parse::<Fault>().unwrap_err().to_string();
        for fault in Fault::ALL {
            assert!(error.contains(fault.name()), "{error}");
        }
        assert!(error.ends_with("got \"rust\""), "{error}");
    }

    #[test]
    fn a_description_is_a_sentence_in_one_line() {
        for description in Fault::ALL.iter().map(|fault| fault.description()) {
            assert!(description.ends_with('.'), "{description}");
            assert!(!description.contains('\n'), "{description}");
            assert_eq!(description.trim(), description);
        }
    }

    #[test]
    fn a_selection_lasts_as_long_as_its_call() {
        let (outer, inner) = (Fault::RepairOff, Fault::AllowOfMost);
        assert_eq!(selected(), []);
        let answer = with(Some(outer), || {
            assert_eq!(selected(), [outer]);
            with(Some(inner), || assert_eq!(selected(), [inner]));
            with(None, || assert_eq!(selected(), []));
            assert_eq!(selected(), [outer]);
            7
        });
        assert_eq!(answer, 7);
        assert_eq!(selected(), []);
    }

    #[test]
    fn a_selection_ends_with_a_panic_too() {
        with(Some(Fault::RepairOff), || {
            let ended = catch_unwind(|| with(Some(Fault::AllowOfMost), || panic!("on purpose")));
            assert!(ended.is_err());
            assert_eq!(selected(), [Fault::RepairOff]);
        });
    }

    #[test]
    fn other_threads_select_for_themselves() {
        with(Some(Fault::RepairOff), || {
            let seen_elsewhere = std::thread::spawn(selected).join().unwrap();
            assert_eq!(seen_elsewhere, []);
        });
    }
}

/// The README's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
