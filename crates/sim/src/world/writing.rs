//! What the world does with writes: those that have gathered while one was synced go together, as in the product.

use std::panic::{AssertUnwindSafe, catch_unwind};

use quorate_node::roles::WriteId;
use quorate_node::store::Stored;

use super::{Due, World};
use crate::dice::Dice as _;
use crate::fact::Fact;
use crate::host::HostId;

impl World {
    pub(super) fn write(&mut self, id: HostId, write: WriteId, stored: Stored) {
        if self.hosts[id.0].store.is_none() {
            // A role without a store has what it writes as durable as it will be.
            let host = &mut self.hosts[id.0];
            let now = host.clock.now(self.now);
            if let Some(process) = &mut host.process {
                process.role_mut().handle_written(write, Ok(()), now);
            }
            return;
        }
        self.hosts[id.0].waiting.push((write, stored));
        self.start_writing(id);
    }

    fn start_writing(&mut self, id: HostId) {
        let host = &mut self.hosts[id.0];
        if host.writing.is_empty() && !host.waiting.is_empty() {
            host.writing = std::mem::take(&mut host.waiting);
            let (max, life) = (host.disk_max, host.life);
            let span = self.rng.span(max / 16, max);
            self.queue.push(self.now + span, Due::Written(id, life));
        }
    }

    pub(super) fn written(&mut self, id: HostId, life: u64) {
        let host = &mut self.hosts[id.0];
        if host.life != life {
            return;
        }
        if host.is_paused {
            self.deferred
                .entry(id)
                .or_default()
                .push(Due::Written(id, life));
            return;
        }
        let batch = std::mem::take(&mut host.writing);
        let Some(store) = &host.store else {
            return;
        };
        // The database may panic on what it finds; the product's thread ends then, and so does its store.
        let write = || {
            store
                .write(batch.iter().map(|(_, stored)| stored))
                .map_err(|error| error.to_string())
        };
        let result = catch_unwind(AssertUnwindSafe(write))
            .unwrap_or_else(|_| Err("the store's thread has ended".to_owned()));
        for (write, stored) in batch {
            match &result {
                Ok(()) => self.observe(&Fact::Durable {
                    host: id,
                    stored: &stored,
                }),
                Err(_) => {
                    self.observe(&Fact::NotDurable(id));
                    self.may_be_durable(id, &stored);
                }
            }
            let result = result.clone();
            self.drive(id, |role, now| role.handle_written(write, result, now));
        }
        self.start_writing(id);
    }

    /// Everything that was handed over is written: a process that ends in peace waits for that.
    pub(super) fn write_all(&mut self, id: HostId) {
        let host = &mut self.hosts[id.0];
        let mut batch = std::mem::take(&mut host.writing);
        batch.append(&mut host.waiting);
        if let Some(store) = host.store.take()
            && !batch.is_empty()
        {
            let write = || store.write(batch.iter().map(|(_, stored)| stored)).is_ok();
            let _kept = catch_unwind(AssertUnwindSafe(write));
            for (_, stored) in &batch {
                self.may_be_durable(id, stored);
            }
        }
    }

    /// Nobody was told whether this is on the disk.
    pub(super) fn may_be_durable(&mut self, id: HostId, stored: &Stored) {
        self.observe(&Fact::MayBeDurable { host: id, stored });
    }
}
