//! A peer that has itself thrown out, and stays: it answers no probe and no hello any more and breaks a link, so that it is
//! taken for dead; what tells it that it is out it does not hear; and to whoever is still linked with it, it goes on
//! speaking, in the life that is over, well signed.
//!
//! Attacks: that an eviction is an end. Expected: whoever learns of it cuts the liar off and delivers nothing more of that
//! life, from wherever it comes; so does whoever it dials then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_consensus::{NodeId, Proof, Standing};
use quorate_gossip::{Content, Message as Gossip};
use quorate_node::protocol::{Message, Purpose, RosterMessage};
use quorate_node::roles::{ConnId, Frame, Output, speech};
use rand::Rng as _;

use super::notes::proofs_in;
use super::tampering::{Beat, Deviation, Hands};

const EVERY: Duration = Duration::from_millis(400);
const LATER: Duration = Duration::from_secs(5);

/// For so many beats it is a member like others, and after so many more it breaks another link if nobody missed it.
const HONEST_BEATS: u32 = 12;
const PATIENT_BEATS: u32 = 25;

/// How much it says in one message, in bytes.
const PAYLOAD_LEN: usize = 40;

#[derive(Debug)]
pub(super) struct Lingerer {
    beat: Beat,
    /// Beats since it was a member; none before.
    beats: u32,
    /// Whether somebody told it that it is out.
    is_out: bool,
    /// The life that it speaks in, and how often it has spoken.
    life: u64,
    said: u64,
}

impl Lingerer {
    pub(super) fn new(hands: &Hands) -> Self {
        Self {
            beat: Beat::new(EVERY, Some(LATER), hands),
            beats: 0,
            is_out: false,
            life: 0,
            said: 0,
        }
    }

    const fn plays_dead(&self) -> bool {
        self.beats > HONEST_BEATS
    }

    /// Whether these words are about its own end.
    fn ends(&mut self, proofs: &[Arc<Proof>], me: NodeId) -> bool {
        let ends = proofs.iter().any(|proof| is_end(proof, me));
        self.is_out |= ends;
        ends
    }

    /// A link is lost, for the other end: nobody said goodbye.
    fn break_a_link(&self, hands: &mut Hands) {
        let links = hands.notes.ready(Purpose::Link);
        if let Some((conn, _)) = hands.pick(&links) {
            hands.notes.note_closed(conn);
            hands.pass(Output::Close(conn));
        }
    }

    /// Says something, as if nothing had happened.
    fn speak(&mut self, hands: &mut Hands) {
        let mut payload = vec![0; PAYLOAD_LEN];
        hands.rng.fill_bytes(&mut payload);
        let payload = Bytes::from(payload);
        let (origin, incarnation, sequence) = (hands.me, self.life, self.said);
        self.said += 1;
        let content = |signature| Content::Application {
            origin,
            incarnation,
            sequence,
            payload: payload.clone(),
            signature,
        };
        let id = content(Bytes::new()).id();
        let signature = speech::sign(&*hands.means.signer, hands.network(), id);
        let links = hands.notes.ready(Purpose::Link);
        let links = links.into_iter().map(|(conn, _)| conn).collect();
        let message = Gossip::Gossip {
            hop_count: 1,
            content: content(signature).encode(),
        };
        hands.send_all(links, Message::Gossip(message));
    }
}

impl Deviation for Lingerer {
    fn handle_output(&mut self, output: Output, hands: &mut Hands) {
        let is_echo = matches!(
            output,
            Output::Send {
                frame: Frame::Message(Message::Echo { .. }),
                ..
            }
        );
        if !is_echo || !self.plays_dead() {
            hands.pass(output);
        }
    }

    fn handle_frame(&mut self, _conn: ConnId, frame: Frame, hands: &mut Hands) -> Option<Frame> {
        let message = match &frame {
            // A new link would speak for it.
            Frame::Hello(_) if self.plays_dead() && !self.is_out => return None,
            Frame::Hello(_) => return Some(frame),
            Frame::Message(message) => message,
        };
        let me = hands.me;
        if !self.plays_dead() || !self.ends(&proofs_in(message, hands.means.format), me) {
            return Some(frame);
        }
        match frame {
            // The others in the list are of interest.
            Frame::Message(Message::Roster(RosterMessage::Proofs(mut proofs))) => {
                proofs.retain(|proof| !is_end(proof, me));
                let others = RosterMessage::Proofs(proofs);
                Some(Frame::Message(Message::Roster(others)))
            }
            _ => None,
        }
    }

    fn handle_timeout(&mut self, hands: &mut Hands) {
        if !self.beat.strikes(hands) {
            return;
        }
        if self.beats == 0 {
            let Some(passport) = hands.notes.passport() else {
                return;
            };
            self.life = passport.record().map_or(1, |record| record.incarnation);
        }
        self.beats = self.beats.saturating_add(1);
        let missed = self.beats.saturating_sub(HONEST_BEATS + 1);
        if self.plays_dead() && missed.is_multiple_of(PATIENT_BEATS) && !self.is_out {
            self.break_a_link(hands);
        }
        self.speak(hands);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.beat.due()
    }
}

/// Whether this proof says that the node is no member any more.
fn is_end(proof: &Proof, node: NodeId) -> bool {
    proof
        .claims()
        .is_some_and(|(of, key)| of == node && key.standing != Standing::Admitted)
}
