//! Participants that lie, one file each.
//!
//! Each wraps an honest role and tampers with what goes in and out of it, so that it is a believable participant up to the
//! point where it deviates. None of them can sign for anybody else: where it forges, it puts a signature that does not hold.
//! All are as deterministic as the role inside: time and the seed of their random choices are arguments.
//!
//! Left out: two processes with one key, each honest. That takes no liar, and is the world's to play.

mod accuser;
mod babbler;
mod decreeing_seed;
mod double_voter;
mod epoch_inventor;
mod equivocator;
mod false_witness;
mod flooder;
mod impostor;
mod lingerer;
mod mute_seed;
mod notes;
mod opinion_forger;
mod replayer;
mod tampering;
mod ventriloquist;
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
    /// A peer that says old things again, its own and others'.
    Replayer,
    /// A peer that floods with messages, questions and connections.
    Flooder,
    /// A peer that passes on nothing that others say.
    Withholder,
    /// A peer that shows passports that are not its own, or not good any more.
    Impostor,
    /// A peer that says the wrong thing at the wrong time.
    Babbler,
    /// A peer that speaks in others' names.
    Ventriloquist,
    /// A peer that has itself thrown out, and stays.
    Lingerer,
    /// A seed that votes yes to some and no to others.
    DoubleVoter,
    /// A seed that says hello and then nothing.
    MuteSeed,
    /// A seed that announces decisions that no quorum took.
    DecreeingSeed,
    /// A member that forges what others say of a candidate.
    OpinionForger,
    /// A member that accepts, and proposes, two changes in one ballot.
    Equivocator,
    /// A member that speaks of epochs that never were.
    EpochInventor,
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
    pub const ALL: [Self; 15] = [
        Self::Accuser,
        Self::FalseWitness,
        Self::Replayer,
        Self::Flooder,
        Self::Withholder,
        Self::Impostor,
        Self::Babbler,
        Self::Ventriloquist,
        Self::Lingerer,
        Self::DoubleVoter,
        Self::MuteSeed,
        Self::DecreeingSeed,
        Self::OpinionForger,
        Self::Equivocator,
        Self::EpochInventor,
    ];

    /// What it is called on a command line and in a report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accuser => "accuser",
            Self::FalseWitness => "false-witness",
            Self::Replayer => "replayer",
            Self::Flooder => "flooder",
            Self::Withholder => "withholder",
            Self::Impostor => "impostor",
            Self::Babbler => "babbler",
            Self::Ventriloquist => "ventriloquist",
            Self::Lingerer => "lingerer",
            Self::DoubleVoter => "double-voter",
            Self::MuteSeed => "mute-seed",
            Self::DecreeingSeed => "decreeing-seed",
            Self::OpinionForger => "opinion-forger",
            Self::Equivocator => "equivocator",
            Self::EpochInventor => "epoch-inventor",
        }
    }

    /// What it does, in a sentence.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Accuser => "a peer that reports the deaths of members that live",
            Self::FalseWitness => "a peer that testifies the opposite of what is so",
            Self::Replayer => "a peer that says old things again, its own and others'",
            Self::Flooder => "a peer that floods with messages, questions and connections",
            Self::Withholder => "a peer that passes on nothing that others say",
            Self::Impostor => {
                "a peer that shows passports that are not its own, or not good any more"
            }
            Self::Babbler => "a peer that says the wrong thing at the wrong time",
            Self::Ventriloquist => "a peer that speaks in others' names",
            Self::Lingerer => "a peer that has itself thrown out, and stays",
            Self::DoubleVoter => "a seed that votes yes to some and no to others",
            Self::MuteSeed => "a seed that says hello and then nothing",
            Self::DecreeingSeed => "a seed that announces decisions that no quorum took",
            Self::OpinionForger => "a member that forges what others say of a candidate",
            Self::Equivocator => "a member that accepts, and proposes, two changes in one ballot",
            Self::EpochInventor => "a member that speaks of epochs that never were",
        }
    }

    /// Which honest role it wraps.
    pub const fn role(self) -> RoleKind {
        match self {
            Self::Accuser
            | Self::FalseWitness
            | Self::Replayer
            | Self::Flooder
            | Self::Withholder
            | Self::Impostor
            | Self::Babbler
            | Self::Ventriloquist
            | Self::Lingerer => RoleKind::Peer,
            Self::DoubleVoter | Self::MuteSeed | Self::DecreeingSeed => RoleKind::Seed,
            Self::OpinionForger | Self::Equivocator | Self::EpochInventor => RoleKind::Member,
        }
    }

    /// Whether it may fork an open network: it signs statements that contradict each other.
    pub const fn equivocates(self) -> bool {
        matches!(self, Self::Equivocator)
    }

    /// Makes a liar of an honest role, which was built as for anybody else and not polled yet.
    pub fn corrupt(self, honest: Box<dyn Role>, means: Means, now: Now) -> Box<dyn Role> {
        let hands = Hands::new(means, self.role(), now);
        match self {
            Self::Accuser => {
                let liar = accuser::Accuser::new(&hands);
                Tampered::boxed(honest, liar, hands)
            }
            Self::FalseWitness => {
                let liar = false_witness::FalseWitness::default();
                Tampered::boxed(honest, liar, hands)
            }
            Self::Replayer => {
                let liar = replayer::Replayer::new(&hands);
                Tampered::boxed(honest, liar, hands)
            }
            Self::Flooder => {
                let liar = flooder::Flooder::new(&hands);
                Tampered::boxed(honest, liar, hands)
            }
            Self::Withholder => {
                let liar = withholder::Withholder;
                Tampered::boxed(honest, liar, hands)
            }
            Self::Impostor => {
                let liar = impostor::Impostor::new(&hands);
                Tampered::boxed(honest, liar, hands)
            }
            Self::Babbler => {
                let liar = babbler::Babbler::new(&hands);
                Tampered::boxed(honest, liar, hands)
            }
            Self::Ventriloquist => {
                let liar = ventriloquist::Ventriloquist::new(&hands);
                Tampered::boxed(honest, liar, hands)
            }
            Self::Lingerer => {
                let liar = lingerer::Lingerer::new(&hands);
                Tampered::boxed(honest, liar, hands)
            }
            Self::DoubleVoter => {
                let liar = double_voter::DoubleVoter::default();
                Tampered::boxed(honest, liar, hands)
            }
            Self::MuteSeed => {
                let liar = mute_seed::MuteSeed;
                Tampered::boxed(honest, liar, hands)
            }
            Self::DecreeingSeed => {
                let liar = decreeing_seed::DecreeingSeed::new(&hands);
                Tampered::boxed(honest, liar, hands)
            }
            Self::OpinionForger => {
                let liar = opinion_forger::OpinionForger::new(&hands);
                Tampered::boxed(honest, liar, hands)
            }
            Self::Equivocator => {
                let liar = equivocator::Equivocator::default();
                Tampered::boxed(honest, liar, hands)
            }
            Self::EpochInventor => {
                let liar = epoch_inventor::EpochInventor::new(&hands);
                Tampered::boxed(honest, liar, hands)
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
