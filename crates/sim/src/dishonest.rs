//! Participants that lie, one file each.
//!
//! Each wraps an honest role and tampers with what goes in and out of it, so that it is a believable participant up to the
//! point where it deviates. None of them can sign for anybody else: where it forges, it puts a signature that does not hold.
//! All are as deterministic as the role inside: time and the seed of their random choices are arguments.
//!
//! Left out: two processes with one key, each honest. That takes no liar, and is the world's to play.

mod accuser;
mod double_voter;
mod false_witness;
mod notes;
mod replayer;
mod tampering;
mod withholder;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use quorate_consensus::{NetworkId, Now, Proof, Signer};
use quorate_node::protocol::RoleKind;
use quorate_node::roles::Role;
use quorate_wire::Format;

use tampering::{Hands, Tampered};

/// How a participant deviates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Conduct {
    /// A peer that reports the deaths of members that live.
    Accuser,
    /// A peer that testifies the opposite of what is so.
    FalseWitness,
    /// A peer that says old things again.
    Replayer,
    /// A peer that passes nothing on.
    Withholder,
    /// A seed that votes yes to some and no to others.
    DoubleVoter,
}

/// What a dishonest participant has to work with.
#[derive(Debug, Clone)]
pub struct Means {
    /// Its own key, and no other.
    pub signer: Arc<dyn Signer>,
    /// Where it listens.
    pub address: String,
    /// The network's id; [`NetworkId::NONE`] in an open network, where it is learned from what passes.
    pub network: NetworkId,
    /// The seed list's addresses; none in an open network.
    pub seeds: Vec<String>,
    /// How frames are encoded.
    pub format: Format,
    /// An admission of its own to another network that keys of the same seeds signed.
    pub foreign: Option<Arc<Proof>>,
    /// Feeds its random choices.
    pub seed: u64,
    /// What only costs others effort ends here. Lies go on.
    pub until: Instant,
}

/// A name that no conduct has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {names}, got {0:?}", names = names())]
pub struct UnknownConduct(String);

fn names() -> String {
    Conduct::ALL.map(Conduct::name).join(", ")
}

impl Conduct {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Accuser,
        Self::FalseWitness,
        Self::Replayer,
        Self::Withholder,
        Self::DoubleVoter,
    ];

    /// What it is called on a command line and in a report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accuser => "accuser",
            Self::FalseWitness => "false-witness",
            Self::Replayer => "replayer",
            Self::Withholder => "withholder",
            Self::DoubleVoter => "double-voter",
        }
    }

    /// What it does, in a sentence.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Accuser => "a peer that reports the deaths of members that live",
            Self::FalseWitness => "a peer that testifies the opposite of what is so",
            Self::Replayer => "a peer that says old things again, its own and others'",
            Self::Withholder => "a peer that passes on nothing that others say",
            Self::DoubleVoter => "a seed that votes yes to some and no to others",
        }
    }

    /// Which honest role it wraps.
    pub const fn role(self) -> RoleKind {
        match self {
            Self::Accuser | Self::FalseWitness | Self::Replayer | Self::Withholder => {
                RoleKind::Peer
            }
            Self::DoubleVoter => RoleKind::Seed,
        }
    }

    /// Makes a liar of an honest role, which was built as for anybody else and not polled yet.
    pub fn corrupt(self, honest: Box<dyn Role>, means: Means, now: Now) -> Box<dyn Role> {
        let hands = Hands::new(means, self.role(), now);
        match self {
            Self::Accuser => Tampered::boxed(honest, accuser::Accuser::new(&hands), hands),
            Self::FalseWitness => {
                Tampered::boxed(honest, false_witness::FalseWitness::default(), hands)
            }
            Self::Replayer => Tampered::boxed(honest, replayer::Replayer::new(&hands), hands),
            Self::Withholder => Tampered::boxed(honest, withholder::Withholder, hands),
            Self::DoubleVoter => {
                Tampered::boxed(honest, double_voter::DoubleVoter::default(), hands)
            }
        }
    }
}

impl fmt::Display for Conduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Conduct {
    type Err = UnknownConduct;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_it = |conduct: &Self| conduct.name() == text;
        let found = Self::ALL.into_iter().find(is_it);
        found.ok_or_else(|| UnknownConduct(text.to_owned()))
    }
}
