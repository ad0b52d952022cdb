//! A node on its way to a seat: what the product's builder does for a seed that joins, as a role.
//!
//! It asks one seed after the other for a seat, and takes in the handovers that they show, until one names it. Then it writes
//! down how the electorate came to be the one that it has a seat in, and ends; the next process on its host is a seed.
//!
//! The product asks over a bare connection, with the same pauses; the rules are the conclave's, in both.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::conclave::{self, Output as ConclaveOutput, Step};
use quorate_consensus::{Conclave, NodeId, Now, Record, Roster, Scheme, Signer, assembly};
use quorate_node::SeedList;
use quorate_node::protocol::{Hello, Message, Purpose, RoleKind, VERSIONS};
use quorate_node::roles::{
    ConnId, DialError, DialId, Frame, Output, Reply, Request, RequestError, RequestId, Role,
    WriteId,
};
use quorate_node::store::{Restored, SeedStored, Stored};
use quorate_wire::Format;

/// How long one seed is listened to before the next is asked.
const LISTEN: Duration = Duration::from_millis(500);

/// How long a seed may take to answer at all.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// How long after all were asked they are asked again.
const ROUND: Duration = Duration::from_secs(1);

/// How far one visit to a seed has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    Dialling(DialId),
    Connected(ConnId),
    Listening(ConnId),
}

/// A node that asks for a seat. See the [module](self).
pub struct Applicant {
    me: NodeId,
    conclave: Conclave,
    seeds: SeedList,
    hello: Hello,
    request: Record,
    steps: Vec<Step>,
    /// Which seat is asked next, and when, or until when the present one has time.
    seat: usize,
    visit: Option<Visit>,
    due: Instant,
    next_dial: u64,
    has_ended: bool,
    out: VecDeque<Output>,
}

impl fmt::Debug for Applicant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Applicant({}, {:?})", self.me.short(), self.visit)
    }
}

impl Applicant {
    /// A node that asks these seeds, with what an earlier process of it had found out.
    ///
    /// # Errors
    /// What cannot be used, in words.
    pub(crate) fn new(
        signer: Arc<dyn Signer>,
        scheme: Arc<dyn Scheme>,
        address: String,
        seeds: SeedList,
        restored: &Restored,
        seed: u64,
        now: Now,
    ) -> Result<Self, String> {
        let mut first = seeds.electorate().map_err(|error| error.to_string())?;
        for (line, id) in &restored.seats {
            if let Some(seat) = seeds.position(line) {
                first.bind(seat, *id).map_err(|error| error.to_string())?;
            }
        }
        let (attempt, opened_ms) = (now.unix_ms, now.unix_ms);
        let endpoints = vec![address];
        let request = Record::sign(&*signer, seeds.network(), endpoints, 1, attempt, opened_ms);
        let conclave = Conclave::new(
            signer.clone(),
            scheme,
            first,
            restored.steps.iter().cloned(),
            Vec::new(),
            Roster::new().digest(),
            assembly::Config::default(),
            seed,
            now,
        );
        Ok(Self {
            me: signer.id(),
            conclave: conclave.map_err(|error| error.to_string())?,
            hello: Hello {
                versions: VERSIONS,
                network: seeds.network(),
                seeds: seeds.addresses(),
                format: Format::default(),
                purpose: Purpose::Link,
                role: RoleKind::Seed,
            },
            seeds,
            request: request.map_err(|error| error.to_string())?,
            steps: Vec::new(),
            seat: 0,
            visit: None,
            due: now.instant,
            next_dial: 0,
            has_ended: false,
            out: VecDeque::new(),
        })
    }

    /// Whether the last voters that this node knows of have given it a seat.
    fn is_seated(&self) -> bool {
        self.conclave.electorate().contains(&self.me)
    }

    /// The present visit is over: the next seat is asked, after a pause when all were.
    fn go_on(&mut self, now: Now) {
        match self.visit.take() {
            Some(Visit::Dialling(dial)) => self.out.push_back(Output::CancelDial(dial)),
            Some(Visit::Connected(conn) | Visit::Listening(conn)) => {
                self.out.push_back(Output::Close(conn));
            }
            None => {}
        }
        if self.is_seated() {
            self.end();
            return;
        }
        self.seat += 1;
        self.due = now.instant;
        if self.seat >= self.conclave.electorate().seats().len() {
            self.seat = 0;
            self.due += ROUND;
        }
    }

    /// Writes down how it came to its seat, and ends.
    fn end(&mut self) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        let first = self.conclave.first_electorate().seats().iter();
        let met = first.filter_map(|seat| Some((seat.name.clone(), seat.voter?)));
        let met = met.filter(|(line, _)| self.seeds.position(line).is_some());
        let met = met.map(|(address, id)| SeedStored::Seat { address, id });
        let steps = self.steps.iter().cloned().map(SeedStored::Step);
        let writes: Vec<SeedStored> = met.chain(steps).collect();
        for (write, stored) in (0..).zip(writes) {
            let (write, stored) = (WriteId(write), Stored::Seed(stored));
            self.out.push_back(Output::Write { write, stored });
        }
        self.out.push_back(Output::Exit);
    }

    fn dial(&mut self, now: Now) {
        let seats = self.conclave.electorate().seats();
        let Some(place) = seats.get(self.seat) else {
            self.seat = 0;
            return;
        };
        let dial = DialId(self.next_dial);
        self.next_dial += 1;
        self.visit = Some(Visit::Dialling(dial));
        self.due = now.instant + ANSWER_MAX;
        self.out.push_back(Output::Dial {
            dial,
            endpoints: vec![place.name.clone()],
            expect: None,
            ping: false,
        });
    }

    fn say(&mut self, conn: ConnId, message: conclave::Message) {
        self.out.push_back(Output::Send {
            to: vec![conn],
            frame: Frame::Message(Message::Electorate(message)),
        });
    }

    /// Handovers speak for themselves. A forged one is not taken in, and one that cannot be judged comes again.
    fn follow(&mut self, from: NodeId, message: conclave::Message, now: Now) -> bool {
        let _taken = self.conclave.handle_message(from, message, now);
        let known = self.steps.len();
        while let Some(output) = self.conclave.poll_output() {
            if let ConclaveOutput::HandedOver { handover, .. } = output {
                self.steps.push(Step::HandedOver(handover));
            }
        }
        self.steps.len() > known
    }
}

impl Role for Applicant {
    fn handle_connected(
        &mut self,
        conn: ConnId,
        dial: Option<DialId>,
        remote: NodeId,
        _address: &str,
        now: Now,
    ) {
        let is_asked = dial.is_some_and(|dial| self.visit == Some(Visit::Dialling(dial)));
        if !is_asked {
            // It is no seed yet.
            self.out.push_back(Output::Close(conn));
            return;
        }
        self.visit = Some(Visit::Connected(conn));
        if self.conclave.bind(self.seat, remote, now).is_err() {
            // Another key than before answers there.
            self.go_on(now);
            return;
        }
        self.out.push_back(Output::Send {
            to: vec![conn],
            frame: Frame::Hello(self.hello.clone()),
        });
    }

    fn handle_dial_failed(&mut self, dial: DialId, _error: DialError, now: Now) {
        if self.visit == Some(Visit::Dialling(dial)) {
            self.visit = None;
            self.go_on(now);
        }
    }

    fn handle_pinged(&mut self, _dial: DialId, _answers: bool, _now: Now) {}

    fn handle_frame(&mut self, conn: ConnId, frame: Frame, now: Now) {
        match frame {
            Frame::Hello(_) if self.visit == Some(Visit::Connected(conn)) => {
                self.visit = Some(Visit::Listening(conn));
                self.due = now.instant + LISTEN;
                self.out.push_back(Output::Accept(conn));
                let request = Box::new(self.request.clone());
                self.say(conn, conclave::Message::Nominated(request));
                let epoch = self.conclave.electorate().epoch();
                self.say(conn, conclave::Message::Epoch(epoch));
            }
            Frame::Message(Message::Electorate(message @ conclave::Message::Handovers(_)))
                if self.visit == Some(Visit::Listening(conn)) =>
            {
                // Handovers need no sender.
                let from = self.me;
                if self.follow(from, message, now) {
                    self.seat = usize::MAX - 1;
                    self.go_on(now);
                    self.due = now.instant;
                }
            }
            Frame::Hello(_) | Frame::Message(_) => {}
        }
    }

    fn handle_closed(&mut self, conn: ConnId, _cause: &str, now: Now) {
        if matches!(self.visit, Some(Visit::Connected(of) | Visit::Listening(of)) if of == conn) {
            self.visit = None;
            self.go_on(now);
        }
    }

    fn handle_written(&mut self, _write: WriteId, _result: Result<(), String>, _now: Now) {}

    fn handle_request(&mut self, id: RequestId, request: Request, _now: Now) {
        let reply = match request {
            Request::Broadcast(_) => Reply::Broadcast(Err(RequestError::NotAPeer)),
            Request::Members => Reply::Members(Vec::new()),
            Request::Neighbors => Reply::Neighbors(Vec::new()),
            _ => Reply::Done(Err(RequestError::NotAPeer)),
        };
        self.out.push_back(Output::Reply(id, reply));
    }

    fn handle_timeout(&mut self, now: Now) {
        if self.has_ended || now.instant < self.due {
            return;
        }
        match self.visit {
            None if self.is_seated() => self.end(),
            None => self.dial(now),
            Some(_) => self.go_on(now),
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (!self.has_ended).then_some(self.due)
    }
}
