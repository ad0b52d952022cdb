//! How far an exploration goes, and what is deliberately broken in it.

use std::fmt;

use crate::cast::{ALL, C, name};

/// Everything within these is explored. The network is not bounded: each message arrives once, often, late or never.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    /// What is put to the vote, and which seeds may bring it: at any time, and again after they forgot.
    pub(crate) questions: Vec<(Question, &'static [usize])>,
    pub(crate) judging: Judging,
    /// Whether a write takes its time. Else it is done at once, and a crash may still come between two of one turn.
    pub(crate) are_disks_slow: bool,
    /// Whether C signs both ways, and gives honest seeds different votes. It is no council then.
    pub(crate) is_c_a_liar: bool,
    /// Whether rosters are compared at any time, not only in the end: what was committed may reach every other seed.
    pub(crate) are_rosters_compared: bool,
    /// Whether a vote may overtake its proposal.
    pub(crate) are_votes_early: bool,
    /// Whether of each decision only one certificate reaches each seed before the end, whosever signatures it has.
    pub(crate) is_one_certificate_enough: bool,
    /// How many crashes there may be, all in all; each seed comes back at once.
    pub(crate) crashes: u8,
    /// How many times the deadline of all that is open at one seed may pass.
    pub(crate) expiries: u8,
    pub(crate) weakness: Weakness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    AdmitX,
    /// The same life, by another record.
    AdmitXAgain,
    AdmitY,
    /// X is a member when the exploration begins; so with its next life.
    EvictX,
    AdmitXReborn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judging {
    /// Yes, at once.
    Yes,
    /// Yes, some time.
    YesLater,
    /// Yes or no, some time, and perhaps otherwise after a restart.
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weakness {
    None,
    /// A driver says that something is durable before it is.
    DurableTooSoon,
    /// Nobody ever compares rosters.
    NobodyCompares,
}

impl Bounds {
    /// The seeds that are councils.
    pub(crate) fn honest(&self) -> impl Iterator<Item = usize> + use<> {
        let liar = self.is_c_a_liar.then_some(C);
        ALL.into_iter().filter(move |who| Some(*who) != liar)
    }

    /// Whether X has been a member since before the exploration.
    pub(crate) fn begins_with_x(&self) -> bool {
        let mut questions = self.questions.iter();
        questions.any(|(what, _)| matches!(what, Question::EvictX | Question::AdmitXReborn))
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdmitX => "admit X",
            Self::AdmitXAgain => "admit X by another record",
            Self::AdmitY => "admit Y",
            Self::EvictX => "evict X",
            Self::AdmitXReborn => "admit X's next life",
        })
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let questions = self.questions.iter().map(|(what, by)| {
            let by: Vec<_> = by.iter().map(|who| name(*who)).collect();
            format!("{what} by {}", by.join(" and "))
        });
        let questions: Vec<_> = questions.collect();
        write!(f, "bounds: {}", questions.join(", "))?;
        write!(
            f,
            ", crashes {}, expiries {}, any loss, repetition and order",
            self.crashes, self.expiries
        )?;
        f.write_str(match self.judging {
            Judging::Yes => ", all say yes at once",
            Judging::YesLater => ", all say yes some time",
            Judging::Any => ", all say yes or no some time",
        })?;
        if self.are_disks_slow {
            f.write_str(", slow disks")?;
        }
        if self.is_c_a_liar {
            f.write_str(", C signs both ways")?;
        }
        if self.are_rosters_compared {
            f.write_str(", rosters compared at any time")?;
        }
        if !self.are_votes_early {
            f.write_str(", no vote overtakes its proposal")?;
        }
        if self.is_one_certificate_enough {
            f.write_str(", one certificate of each decision reaches each seed")?;
        }
        f.write_str(match self.weakness {
            Weakness::None => "",
            Weakness::DurableTooSoon => "; WEAKENED: drivers say too soon that a write is done",
            Weakness::NobodyCompares => "; WEAKENED: nobody compares rosters",
        })
    }
}
