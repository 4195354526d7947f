//! One thread a worker, and sums over all workers in the order of their ranks.
//!
//! A worker keeps its own pictures' activations from step to step, so threads share nothing but small sums. Threads
//! are scoped to one call (tens of microseconds a call, against tens of milliseconds of work), which lets the work
//! borrow the network without any `unsafe`. Sums are taken in rank order: the same team size gives the same bits.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// One worker's place in the team.
#[derive(Debug)]
pub struct Member<'a> {
    rank: usize,
    shared: &'a Shared,
}

#[derive(Debug)]
struct Shared {
    size: usize,
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    round: u64,
    waiting: usize,
    broken: bool,
    contributions: Vec<Vec<f64>>,
    total: Vec<f64>,
}

/// Runs `work` once for each worker, each on a thread of its own (the first on the caller's), and waits for all.
///
/// # Panics
/// If a worker panics; the others stop at their next [`Member::sum`].
pub fn run<W: Send>(workers: &mut [W], work: impl Fn(&Member, &mut W) + Sync) {
    let state = State { contributions: vec![Vec::new(); workers.len()], ..State::default() };
    let shared = Shared { size: workers.len(), state: Mutex::new(state), arrived: Condvar::new() };
    let (shared, work) = (&shared, &work);
    std::thread::scope(|scope| {
        let mut members = workers.iter_mut().enumerate().map(|(rank, worker)| (Member { rank, shared }, worker));
        let first = members.next();
        for (member, worker) in members {
            scope.spawn(move || work(&member, worker));
        }
        if let Some((member, worker)) = first {
            work(&member, worker);
        }
    });
}

impl Member<'_> {
    /// 0 for the caller's own thread.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Waits for every member and replaces `values` by the sum over all, added in the order of ranks.
    ///
    /// Every member calls it equally often, with slices of one length.
    pub fn sum(&self, values: &mut [f64]) {
        if self.shared.size == 1 {
            return;
        }
        let mut state = self.shared.lock();
        let contribution = &mut state.contributions[self.rank];
        contribution.clear();
        contribution.extend_from_slice(values);
        state.waiting += 1;
        if state.waiting == self.shared.size {
            state.add_up(values.len());
            self.shared.arrived.notify_all();
        } else {
            let round = state.round;
            while state.round == round && !state.broken {
                state = self.shared.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            assert!(!state.broken, "another worker of the team failed");
        }
        values.copy_from_slice(&state.total);
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.lock().broken = true;
            self.shared.arrived.notify_all();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add_up(&mut self, len: usize) {
        self.total.clear();
        self.total.resize(len, 0.0);
        for contribution in &self.contributions {
            for (total, value) in self.total.iter_mut().zip(contribution) {
                *total += value;
            }
        }
        self.waiting = 0;
        self.round += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_sees_every_rounds_sum() {
        let mut workers = [1.0, 2.0, 3.0];
        run(&mut workers, |member, worker: &mut f64| {
            for round in 0..100 {
                let mut values = [*worker * f64::from(round), 1.0];
                member.sum(&mut values);
                assert_eq!(values, [6.0 * f64::from(round), 3.0]);
            }
            *worker += member.rank() as f64;
        });
        assert_eq!(workers, [1.0, 3.0, 5.0]);
    }

    #[test]
    #[should_panic(expected = "another worker of the team failed")]
    fn a_failing_worker_does_not_leave_the_others_waiting() {
        run(&mut [false, false, true], |member, fails| {
            assert!(!*fails, "this worker fails");
            member.sum(&mut [0.0]);
        });
    }
}
