//! The whole camera: answers its host, and where it has a sensor looks, recognises and tells.

use deja_shared::protocol::events::{Event, Level, LogText};
use deja_shared::protocol::frame::MAX_FRAME;
use embedded_io::{ErrorType, Read, ReadReady, Write};

use crate::board::{Board, Parts};
use crate::commands::{Conversation, Reply};
use crate::recognizer::{Buffers, Recognizer};

/// Bytes that are read from the link at a time.
const READ_BYTES: usize = 256;
/// The sensor is looked at no more often than this.
pub const LOOK_INTERVAL_US: u64 = 250_000;
/// How long a picture that a host has sent stays while the host is silent, before the sensor may overwrite it.
pub const HOST_INTERVAL_US: u64 = 2_000_000;

/// What [`Camera::poll`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Nothing: the board may sleep until its link or its sensor wakes it.
    Idle,
    /// Something; there may be more to do.
    Worked,
    /// The host asked for a restart, and has its answer: build the camera anew.
    Reboot,
    /// The link is at its end.
    Closed,
}

/// How the link of a board fails.
pub type LinkError<B> = <<B as Board>::Link as ErrorType>::Error;

/// A camera at work. All memory that is large is in [`Buffers`], which the board owns.
pub struct Camera<'b, B: Board> {
    link: B::Link,
    sensor: B::Sensor,
    conversation: Conversation,
    recognizer: Recognizer<'b, B>,
    next_look: u64,
    has_complained: bool,
}

impl<'b, B: Board> Camera<'b, B> {
    /// Comes to life with the models and the gallery that are in flash.
    pub fn new(parts: Parts<B>, buffers: Buffers<'b>) -> Self {
        let (recognizer, link, sensor) = Recognizer::start(parts, buffers);
        let conversation = Conversation::new();
        Self { link, sensor, conversation, recognizer, next_look: 0, has_complained: false }
    }

    /// Does what is to be done now: bytes that wait on the link first, then the sensor.
    ///
    /// # Errors
    /// When the link fails. The conversation is over then; the camera may be polled again when the link is back.
    pub fn poll(&mut self) -> Result<Activity, LinkError<B>> {
        let result = self.work();
        if matches!(result, Err(_) | Ok(Activity::Closed)) {
            self.conversation = Conversation::new();
        }
        result
    }

    /// The link, for a board that must bring it back.
    pub fn link_mut(&mut self) -> &mut B::Link {
        &mut self.link
    }

    /// Ends everything and gives the flash back, as a restart finds it.
    pub fn into_flash(self) -> B::Flash {
        self.recognizer.into_flash()
    }

    fn work(&mut self) -> Result<Activity, LinkError<B>> {
        if !self.link.read_ready()? {
            return self.look();
        }
        let mut bytes = [0; READ_BYTES];
        let count = self.link.read(&mut bytes)?;
        for &byte in &bytes[..count] {
            let (answer, is_last) = match self.conversation.receive(byte, &mut self.recognizer) {
                Reply::Silence => continue,
                Reply::Send(answer) => (answer, false),
                Reply::SendAndReboot(answer) => (answer, true),
            };
            self.link.write_all(answer)?;
            self.link.flush()?;
            if is_last {
                return Ok(Activity::Reboot);
            }
            if self.recognizer.holds_picture() {
                self.next_look = self.recognizer.micros() + HOST_INTERVAL_US;
            }
            self.complain()?;
        }
        Ok(if count == 0 { Activity::Closed } else { Activity::Worked })
    }

    /// Tells the host, once, that the gallery or the newest model in flash is of no use.
    fn complain(&mut self) -> Result<(), LinkError<B>> {
        if self.has_complained || !self.conversation.is_greeted() {
            return Ok(());
        }
        self.has_complained = true;
        if self.recognizer.has_unreadable_gallery() {
            self.warn("the gallery in flash is of another firmware and was left aside; enroll again")?;
        }
        if self.recognizer.has_fallen_back() {
            self.warn("the newest model in flash is damaged or not computed rightly; flash it again")?;
        }
        Ok(())
    }

    fn warn(&mut self, message: &str) -> Result<(), LinkError<B>> {
        let mut text = LogText::new();
        let _ = text.push_str(message);
        self.tell(&Event::Log { level: Level::Warning, text })
    }

    fn look(&mut self) -> Result<Activity, LinkError<B>> {
        let now = self.recognizer.micros();
        if now < self.next_look || !self.recognizer.capture(&mut self.sensor) {
            return Ok(Activity::Idle);
        }
        self.next_look = now + LOOK_INTERVAL_US;
        let identified = self.recognizer.identify();
        self.recognizer.drop_picture();
        // Without a model, or before the gallery fits it, there is nothing to tell.
        if let Ok(identified) = identified {
            let uptime_ms = (now / 1000) as u32;
            self.tell(&Event::Sighting { uptime_ms, identified })?;
        }
        Ok(Activity::Worked)
    }

    /// Sends an event to a host that understands it.
    fn tell(&mut self, event: &Event) -> Result<(), LinkError<B>> {
        if !self.conversation.is_greeted() {
            return Ok(());
        }
        let mut frame = [0; MAX_FRAME];
        let length = self.conversation.event(event, &mut frame);
        self.link.write_all(&frame[..length])?;
        self.link.flush()
    }
}
