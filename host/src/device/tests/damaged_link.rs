//! Links that lose, flip and repeat bytes, and break.

use super::*;
use crate::device::ClientError;
use crate::progress::Progress;
use deja_shared::model::Model;
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn on_a_bad_link_everything_is_done_exactly_once() {
    let simulator = simulator();
    // About every fifth chunk is damaged.
    let faults = Faults { drop: 4e-5, flip: 6e-5, repeat: 0.1, break_after: None };
    let mut client = Client::over(faulty(simulator.address(), faults), "the simulator", PATIENCE).unwrap();
    client.flash_model(model(1), &Silent).unwrap();
    for number in 0..8 {
        client.enroll(&format!("person {number}"), SIZE, &picture(number)).unwrap();
    }
    let identities = client.list().unwrap();
    assert_eq!(identities.len(), 8);
    assert!(identities.iter().all(|identity| identity.templates == 1), "{identities:?}");
    for number in 0..8 {
        let seen = client.identify(SIZE, &picture(number)).unwrap();
        assert_eq!(seen.best.unwrap().cosine, i16::MAX, "the picture arrived undamaged");
    }
    let statistics = client.statistics().unwrap();
    assert!(statistics.damaged_frames > 0 && statistics.repeated > 0, "{statistics:?}");
}

#[test]
fn a_transfer_goes_on_where_the_link_broke() {
    let simulator = simulator();
    let length = model(1).len() as u64;
    // No connection lives long enough for the whole model: only a transfer that goes on ever ends.
    let faults = Faults { break_after: Some(length * 2 / 5), ..Faults::default() };
    let mut client = Client::over(faulty(simulator.address(), faults), "the simulator", PATIENCE).unwrap();
    let committed = client.flash_model(model(1), &Silent).unwrap();
    assert_eq!(committed.model.fingerprint, Model::digest(model(1)));
}

/// Stops when a third has been sent.
struct StopEarly {
    sent: AtomicU64,
    total: u64,
}

impl Progress for StopEarly {
    fn start(&self, _label: &str, _total: u64) {}
    fn advance(&self, steps: u64) {
        self.sent.fetch_add(steps, Ordering::Relaxed);
    }
    fn message(&self, _text: &str) {}
    fn finish(&self) {}
    fn interrupted(&self) -> bool {
        self.sent.load(Ordering::Relaxed) > self.total / 3
    }
}

#[test]
fn a_stopped_transfer_is_taken_up_by_the_next_one() {
    let simulator = simulator();
    let mut client = connect(&simulator);
    let total = model(1).len() as u64;
    let stop = StopEarly { sent: AtomicU64::new(0), total };
    assert!(matches!(client.flash_model(model(1), &stop), Err(ClientError::Interrupted)));
    drop(client);
    let mut client = connect(&simulator);
    let before = client.statistics().unwrap().frames;
    client.flash_model(model(1), &Silent).unwrap();
    let frames = u64::from(client.statistics().unwrap().frames - before);
    assert!(frames < total / 2048 * 3 / 4 + 8, "{frames} frames for the rest of {total} bytes");
}

#[test]
fn a_camera_that_is_unplugged_for_good_is_an_error_and_keeps_its_old_model() {
    let simulator = simulator();
    connect(&simulator).flash_model(model(1), &Silent).unwrap();
    let faults = Faults { break_after: Some(model(2).len() as u64 / 2), ..Faults::default() };
    let mut once = Some(faulty(simulator.address(), faults));
    let unplugged = || std::io::Error::new(std::io::ErrorKind::NotFound, "no such device");
    let connector: Connector = Box::new(move || once.take().map_or_else(|| Err(unplugged()), |mut open| open()));
    let patience = Patience { reconnect: Duration::from_millis(200), ..PATIENCE };
    let mut client = Client::over(connector, "tcp:the-camera:1", patience).unwrap();
    let error = client.flash_model(model(2), &Silent).unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("tcp:the-camera:1"), "{error}");
    drop(client);
    let client = connect(&simulator);
    assert_eq!(client.model().unwrap().fingerprint, Model::digest(model(1)));
}
