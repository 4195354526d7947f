//! A pipe that loses, flips and repeats bytes, and breaks: what bad cables and worse connectors do.

use super::Transport;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::io;
use std::time::Duration;

/// How bad a pipe is; probabilities are for each byte, in 0..1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// That a byte is lost.
    pub drop: f64,
    /// That one of its bits is flipped.
    pub flip: f64,
    /// That the bytes sent at once are sent twice; for each sending, not each byte.
    pub repeat: f64,
    /// After how many sent bytes the pipe breaks for good.
    pub break_after: Option<u64>,
}

/// A [`Transport`] with [`Faults`] in both directions.
pub struct FaultInjector<T> {
    inner: T,
    faults: Faults,
    random: ChaCha8Rng,
    sent: u64,
}

impl<T: Transport> FaultInjector<T> {
    /// Puts `faults` into `inner`; the same `seed` gives the same ones.
    pub fn new(inner: T, faults: Faults, seed: u64) -> Self {
        Self { inner, faults, random: ChaCha8Rng::seed_from_u64(seed), sent: 0 }
    }

    /// What becomes of `bytes`.
    fn damage(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut damaged = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            if self.random.random_bool(self.faults.drop) {
                continue;
            }
            let flip = self.random.random_bool(self.faults.flip);
            damaged.push(if flip { byte ^ 1 << self.random.random_range(0..8) } else { byte });
        }
        damaged
    }

    fn check_broken(&self) -> io::Result<()> {
        match self.faults.break_after {
            Some(limit) if self.sent >= limit => Err(io::Error::new(io::ErrorKind::BrokenPipe, "unplugged")),
            _ => Ok(()),
        }
    }
}

impl<T: Transport> Transport for FaultInjector<T> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.check_broken()?;
        self.sent += bytes.len() as u64;
        let mut damaged = self.damage(bytes);
        if self.random.random_bool(self.faults.repeat) {
            damaged.extend_from_within(..);
        }
        self.inner.send(&damaged)
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<usize> {
        self.check_broken()?;
        let received = self.inner.receive(buffer, wait)?;
        let damaged = self.damage(&buffer[..received]);
        buffer[..damaged.len()].copy_from_slice(&damaged);
        Ok(damaged.len())
    }
}
