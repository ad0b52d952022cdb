//! Explanations in words: a sentence for each fact, and what belongs to it indented below.

use std::fmt::{self, Write as _};

use super::{
    Count, End, EndedVote, Explanation, Grounds, OpenVote, OwnVote, Question, Reported, Who,
    Withheld,
};
use crate::report::Finding;
use crate::roster::Standing;
use crate::vote::Choice;

/// A text of somebody else's on one line: a line break or a terminal's command in it is shown, not carried out.
pub struct OneLine<'a>(pub &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if c.is_control() {
                write!(f, "{}", c.escape_default())
            } else {
                f.write_char(c)
            }
        })
    }
}

impl fmt::Debug for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A span of time, in the unit that people would use.
#[derive(Debug)]
pub struct Span(
    /// In milliseconds.
    pub u64,
);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms @ 0..1_000 => write!(f, "{ms} ms"),
            ms @ 1_000..10_000 => write!(f, "{}.{} s", ms / 1_000, ms % 1_000 / 100),
            ms @ 10_000..120_000 => write!(f, "{} s", ms / 1_000),
            ms @ 120_000..7_200_000 => write!(f, "{} min", ms / 60_000),
            ms @ 7_200_000..172_800_000 => write!(f, "{} h", ms / 3_600_000),
            ms => write!(f, "{} days", ms / 86_400_000),
        }
    }
}

/// Names, or that there are none.
pub(crate) fn names<T: fmt::Display>(these: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = these.into_iter().map(|name| name.to_string()).collect();
    if names.is_empty() {
        "nobody".to_owned()
    } else {
        names.join(", ")
    }
}

impl fmt::Display for Who {
    /// The name, or the first digits of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => OneLine(name).fmt(f),
            None => self.id.short().fmt(f),
        }
    }
}

/// The name with the first digits of the key.
pub(crate) struct Full<'a>(pub(crate) &'a Who);

impl fmt::Display for Full<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.name {
            Some(name) => write!(f, "{} ({})", OneLine(name), self.0.id.short()),
            None => self.0.id.short().fmt(f),
        }
    }
}

impl fmt::Display for Explanation {
    /// Lines without a break at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = Full(&self.node);
        if let Some(seat) = &self.seat {
            write!(f, "{node} is the voter in seat {}", OneLine(seat))?;
        } else if let Some(grounds) = &self.grounds {
            write!(f, "{node} {grounds}")?;
        } else if self.is_empty() {
            return write!(f, "{node} is not in: nothing is known of it here");
        } else {
            write!(f, "{node} is not in, and never was")?;
        }
        for open in &self.open {
            write!(f, "\n{open}")?;
        }
        if let Some(ended) = &self.ended {
            write!(f, "\n{ended}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Grounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (life, age) = (self.incarnation, Span(self.age_ms));
        match self.standing {
            Standing::Admitted => {
                write!(
                    f,
                    "is in: a member at incarnation {life}, asked for {age} ago"
                )?;
            }
            Standing::Evicted => {
                write!(f, "is out: evicted at incarnation {life}, {age} ago")?;
            }
            Standing::Left => write!(
                f,
                "is out: it left by its own signed word at incarnation {life}, which was asked for {age} ago"
            )?,
        }
        write!(
            f,
            "\n  certificate of attempt {} in epoch {}, ",
            self.attempt, self.epoch
        )?;
        if let Some(later) = self.endorsed {
            write!(f, "endorsed in epoch {later}, ")?;
        }
        write!(f, "signed by {}", names(&self.signers))?;
        match &self.needed {
            Some(needed) => write!(
                f,
                ": {} of {} seats, {} needed",
                self.signers.len(),
                needed.seats,
                needed.quorum
            )?,
            None => write!(f, ", decided by another electorate ({})", self.electorate)?,
        }
        if !self.endpoints.is_empty() {
            let endpoints = self.endpoints.iter().map(|endpoint| OneLine(endpoint));
            write!(f, "\n  reachable at {}", names(endpoints))?;
        }
        if let Some(report) = &self.report {
            write!(f, "\n{report}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "  reported by {}, last seen at {}",
            self.reporter,
            OneLine(&self.endpoint)
        )?;
        for said in &self.testimonies {
            let finding = match said.finding {
                Finding::Unreachable => "unreachable",
                Finding::Alive => "alive",
            };
            let (witness, cause) = (&said.witness, OneLine(&said.cause));
            write!(f, "\n  witness {witness} found it {finding}: {cause}")?;
        }
        if !self.silent.is_empty() {
            write!(f, "\n  silent on the panel: {}", names(&self.silent))?;
        }
        Ok(())
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admit { incarnation, .. } => {
                write!(f, "admission at incarnation {incarnation}")
            }
            Self::Evict { incarnation, .. } => write!(f, "eviction at incarnation {incarnation}"),
            Self::Motion { topic } => write!(f, "its motion {topic:?}"),
        }
    }
}

impl Count {
    fn of(&self, choice: Choice) -> usize {
        let votes = self.votes.iter();
        votes.filter(|vote| vote.choice == choice).count()
    }
}

impl fmt::Display for Count {
    /// The lines that belong to the vote; the question itself is said before.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} yes, {} no of {} seats, {} needed",
            self.of(Choice::Yes),
            self.of(Choice::No),
            self.needed.seats,
            self.needed.quorum
        )?;
        if let Question::Evict { report, .. } = &self.question {
            write!(f, "\n{report}")?;
        }
        for vote in &self.votes {
            write!(f, "\n  {} says {}", vote.voter, vote.choice)?;
            if !vote.reason.is_empty() {
                write!(f, ": {}", OneLine(&vote.reason))?;
            }
        }
        if !self.silent.is_empty() {
            let silent = self.silent.iter().map(|seat| OneLine(seat));
            write!(f, "\n  no vote from {}", names(silent))?;
        }
        Ok(())
    }
}

impl fmt::Display for OpenVote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count {
            question, age_ms, ..
        } = &self.count;
        let (age, left) = (Span(*age_ms), Span(self.closes_in_ms));
        let what = if self.is_carried {
            "carried"
        } else {
            "pending"
        };
        write!(
            f,
            "{question} is {what}: opened {age} ago, given up here in {left}; {}\n  this voter {}",
            self.count, self.own
        )
    }
}

impl fmt::Display for OwnVote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Judging => f.write_str("is finding out for itself"),
            Self::Persisting => f.write_str("has voted, and writes that down before it says so"),
            Self::Cast(choice) => write!(f, "has voted {choice}"),
            Self::Withheld(why) => write!(f, "gives no vote: {why}"),
        }
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abstaining => f.write_str("it lost its store, and may have voted on this before"),
            Self::NotDurable => f.write_str("its vote could not be stored"),
            Self::Sealed => f.write_str("the voters are changing"),
            Self::TooLate => f.write_str("it had made up its mind too late by its own clock"),
            Self::NoSay(why) => write!(f, "it could not find out for itself ({})", OneLine(why)),
        }
    }
}

impl fmt::Display for EndedVote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count {
            question, age_ms, ..
        } = &self.count;
        let how = match self.end {
            End::Defeated => "was voted down",
            End::Expired => "was given up, because too few voted in time",
            End::NotDurable => "was carried, but could not be stored here",
        };
        write!(
            f,
            "{question}, opened {} ago, {how}: {}",
            Span(*age_ms),
            self.count
        )
    }
}
