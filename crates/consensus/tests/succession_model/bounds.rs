//! How far an exploration goes, and what is deliberately broken in it.

use std::fmt;

use crate::cast::{ALL, name};

/// Everything within these is explored.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    /// For each epoch, how many ballots each of A to E may lead. Past the last epoch nothing happens but links.
    pub(crate) ballots: Vec<[u8; 5]>,
    /// How many crashes there may be, all in all; each node comes back at once.
    pub(crate) crashes: u8,
    /// Whether who crashes finds nothing of what it said, and knows that.
    pub(crate) are_stores_lost: bool,
    /// Whether D reaches B only at some time, and A's accusation too.
    pub(crate) are_views_apart: bool,
    /// Whether no leader ever hears that its ballot comes too late.
    pub(crate) are_refusals_lost: bool,
    /// Who hears of others' acceptances. The rest hear of decisions only.
    pub(crate) who_counts: &'static [usize],
    pub(crate) weakness: Weakness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weakness {
    None,
    /// A leader counts every promise as one that names nothing, and forges it to say so.
    PromisesIgnored,
    /// An acceptor's word is not there after a restart.
    AcceptorForgotten,
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let epochs = self.ballots.iter().map(|ballots| {
            let led = ALL.into_iter().filter(|who| ballots[*who] > 0);
            let led = led.map(|who| format!("{} of {}", ballots[who], name(who)));
            led.collect::<Vec<_>>().join(", ")
        });
        let epochs: Vec<_> = epochs.collect();
        write!(f, "bounds: ballots per epoch [{}]", epochs.join("; "))?;
        write!(f, ", crashes {}", self.crashes)?;
        if self.are_stores_lost {
            write!(f, " that lose what was said")?;
        }
        if self.are_views_apart {
            write!(f, ", B meets D and hears A's accusation only at some time")?;
        }
        if self.are_refusals_lost {
            write!(f, ", refusals lost")?;
        }
        if self.who_counts != ALL {
            let who: Vec<_> = self.who_counts.iter().map(|who| name(*who)).collect();
            write!(f, ", ACCEPTED reaches only {}", who.join(", "))?;
        }
        match self.weakness {
            Weakness::None => Ok(()),
            Weakness::PromisesIgnored => write!(f, "; WEAKENED: leaders ignore promises"),
            Weakness::AcceptorForgotten => write!(f, "; WEAKENED: restarts forget acceptances"),
        }
    }
}
