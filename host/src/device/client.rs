//! The typed client: connects to a camera and asks it.

use super::conversation::Conversation;
use super::{Address, ClientError, Connector, Patience, connector};
use deja_shared::protocol::endpoints::{Endpoint, endpoint};
use deja_shared::protocol::events::Event;
use deja_shared::protocol::messages::{
    Capabilities, Embedded, Enroll, Enrolled, Hello, Identified, IdentitySummary, ImageBegin, ImageChunk,
    ListIdentities, ModelSummary, Name, Nothing, RemoveIdentity, Statistics, Threshold,
};
use deja_shared::protocol::{MAX_CHUNK, PROTOCOL_VERSION, refusal::Refusal};
use std::time::{Duration, Instant};

/// How often a silent camera is asked whether it is still there while it is watched.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How soon a stop by the user is noticed while a camera is watched.
const GLANCE: Duration = Duration::from_millis(200);

/// A conversation with one camera.
pub struct Client {
    pub(super) conversation: Conversation,
    pub(super) capabilities: Capabilities,
}

impl Client {
    /// Connects to the camera at `address` and greets it.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`], [`ClientError::Timeout`], [`ClientError::Version`].
    pub fn connect(address: &Address) -> Result<Self, ClientError> {
        let unreachable = |source| ClientError::Unreachable { address: address.to_string(), source };
        Self::over(connector(address).map_err(unreachable)?, &address.to_string(), Patience::default())
    }

    /// Connects over any pipe; `address` is what errors call it.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn over(connector: Connector, address: &str, patience: Patience) -> Result<Self, ClientError> {
        let mut conversation = Conversation::new(connector, address.to_owned(), patience);
        conversation.reopen()?;
        let capabilities = greet(&mut conversation)?;
        Ok(Self { conversation, capabilities })
    }

    /// What the camera said of itself when it was last greeted.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The model that the camera runs.
    ///
    /// # Errors
    /// [`Refusal::NoModel`], as the camera would say it.
    pub fn model(&self) -> Result<&ModelSummary, ClientError> {
        let refused = ClientError::Refused { endpoint: endpoint::Embed::NAME, refusal: Refusal::NoModel };
        self.capabilities.model.as_ref().ok_or(refused)
    }

    /// Asks for one row of the protocol's table.
    ///
    /// # Errors
    /// Any [`ClientError`] of the link, and [`ClientError::Refused`].
    pub fn call<E: Endpoint>(&mut self, request: &E::Request<'_>) -> Result<E::Response, ClientError> {
        self.conversation.call::<E>(request)
    }

    /// Greets the camera again, to see what has changed.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn refresh(&mut self) -> Result<&Capabilities, ClientError> {
        self.capabilities = greet(&mut self.conversation)?;
        Ok(&self.capabilities)
    }

    /// Opens the pipe anew and greets, again and again until [`Patience::reconnect`] is over.
    ///
    /// # Errors
    /// The last failure.
    pub fn reconnect(&mut self) -> Result<(), ClientError> {
        let end = Instant::now() + self.conversation.patience.reconnect;
        let mut pause = Duration::from_millis(50);
        loop {
            let outcome = self.conversation.reopen().and_then(|()| self.refresh().map(drop));
            match outcome {
                Err(error) if error.is_transient() && Instant::now() + pause < end => std::thread::sleep(pause),
                outcome => return outcome,
            }
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Sends a picture of `size = [height, width]`, `[height, width, 3]` RGB bytes, for the next question about it.
    ///
    /// # Errors
    /// [`ClientError::PictureSize`]; [`Refusal::ImageSize`] when the camera has no room for it.
    pub fn send_picture(&mut self, size: [usize; 2], pixels: &[u8]) -> Result<(), ClientError> {
        let [height, width] = size;
        if height.checked_mul(width).and_then(|n| n.checked_mul(3)) != Some(pixels.len()) {
            return Err(ClientError::PictureSize { height, width, bytes: pixels.len() });
        }
        let too_large = |_| ClientError::TooLarge { what: "the picture" };
        let begin = ImageBegin {
            height: u16::try_from(height).map_err(too_large)?,
            width: u16::try_from(width).map_err(too_large)?,
        };
        let mut next = self.call::<endpoint::ImageBegin>(&begin)?.next as usize;
        let chunk = self.chunk();
        while next < pixels.len() {
            // The picture's size fits the protocol's u32: both of its sides are u16 and the camera has accepted it.
            let request = ImageChunk { offset: next as u32, bytes: &pixels[next..pixels.len().min(next + chunk)] };
            let after = self.call::<endpoint::ImageChunk>(&request)?.next as usize;
            if after <= next {
                return Err(ClientError::Answer { endpoint: endpoint::ImageChunk::NAME });
            }
            next = after;
        }
        Ok(())
    }

    /// The embedding of a picture, made by the camera.
    ///
    /// # Errors
    /// As [`Client::send_picture`]; [`Refusal::NoModel`], [`Refusal::Blank`].
    pub fn embed(&mut self, size: [usize; 2], pixels: &[u8]) -> Result<Embedded, ClientError> {
        self.send_picture(size, pixels)?;
        self.call::<endpoint::Embed>(&Nothing)
    }

    /// Keeps the embedding of a picture as a template of `name`.
    ///
    /// # Errors
    /// As [`Client::embed`]; [`ClientError::Name`]; refusals of a full or foreign gallery.
    pub fn enroll(&mut self, name: &str, size: [usize; 2], pixels: &[u8]) -> Result<Enrolled, ClientError> {
        let name = self::name(name)?;
        self.send_picture(size, pixels)?;
        self.call::<endpoint::Enroll>(&Enroll { name })
    }

    /// Who is on a picture.
    ///
    /// # Errors
    /// As [`Client::embed`]; [`Refusal::ForeignGallery`].
    pub fn identify(&mut self, size: [usize; 2], pixels: &[u8]) -> Result<Identified, ClientError> {
        self.send_picture(size, pixels)?;
        self.call::<endpoint::Identify>(&Nothing)
    }

    /// Every identity in the gallery, by ascending number.
    ///
    /// # Errors
    /// Those of the link.
    pub fn list(&mut self) -> Result<Vec<IdentitySummary>, ClientError> {
        let mut all: Vec<IdentitySummary> = Vec::new();
        loop {
            let skip = u16::try_from(all.len()).unwrap_or(u16::MAX);
            let page = self.call::<endpoint::ListIdentities>(&ListIdentities { skip })?;
            all.extend(page.identities.iter().cloned());
            if page.identities.is_empty() || all.len() >= usize::from(page.total) {
                return Ok(all);
            }
        }
    }

    /// Forgets the identity of this name, and says what it was.
    ///
    /// # Errors
    /// [`ClientError::Nobody`].
    pub fn remove(&mut self, name: &str) -> Result<IdentitySummary, ClientError> {
        let found = self.list()?.into_iter().find(|identity| identity.name == name);
        let found = found.ok_or_else(|| ClientError::Nobody { name: name.to_owned() })?;
        self.call::<endpoint::RemoveIdentity>(&RemoveIdentity { identity: found.identity })?;
        Ok(found)
    }

    /// Forgets every identity, and says how many there were.
    ///
    /// # Errors
    /// [`Refusal::Flash`].
    pub fn clear(&mut self) -> Result<u16, ClientError> {
        Ok(self.call::<endpoint::ClearGallery>(&Nothing)?.identities)
    }

    /// The least cosine of a match, in 1/2¹⁵.
    ///
    /// # Errors
    /// Those of the link.
    pub fn threshold(&mut self) -> Result<Threshold, ClientError> {
        self.call::<endpoint::GetThreshold>(&Nothing)
    }

    /// Sets the least cosine of a match, in 1/2¹⁵; `None` goes back to the model's own.
    ///
    /// # Errors
    /// [`Refusal::Flash`].
    pub fn set_threshold(&mut self, cosine: Option<i16>) -> Result<Threshold, ClientError> {
        self.call::<endpoint::SetThreshold>(&Threshold { cosine })
    }

    /// Counters since the camera's start.
    ///
    /// # Errors
    /// Those of the link.
    pub fn statistics(&mut self) -> Result<Statistics, ClientError> {
        self.call::<endpoint::Statistics>(&Nothing)
    }

    /// Restarts the camera and greets it again.
    ///
    /// # Errors
    /// Those of the link, when it does not come back within [`Patience::reconnect`].
    pub fn reboot(&mut self) -> Result<(), ClientError> {
        self.call::<endpoint::Reboot>(&Nothing)?;
        self.reconnect()
    }

    /// The next event, if one comes within `wait`.
    ///
    /// # Errors
    /// [`ClientError::Disconnected`].
    pub fn event(&mut self, wait: Duration) -> Result<Option<Event>, ClientError> {
        self.conversation.event(wait)
    }

    /// Events as they come, until `stopped` says so or the camera is gone.
    pub fn watch<'a>(&'a mut self, stopped: &'a dyn Fn() -> bool) -> impl Iterator<Item = Result<Event, ClientError>> {
        let mut heard = Instant::now();
        let mut gone = false;
        std::iter::from_fn(move || {
            while !gone && !stopped() {
                match self.event(GLANCE).and_then(|event| self.heartbeat(event, &mut heard)) {
                    Ok(Some(event)) => return Some(Ok(event)),
                    Ok(None) => {}
                    Err(error) => {
                        gone = true;
                        return Some(Err(error));
                    }
                }
            }
            None
        })
    }

    /// Asks a camera that has been silent for a while whether it is still there.
    fn heartbeat(&mut self, event: Option<Event>, heard: &mut Instant) -> Result<Option<Event>, ClientError> {
        if event.is_none() && heard.elapsed() > HEARTBEAT {
            self.statistics()?;
        } else if event.is_none() {
            return Ok(None);
        }
        *heard = Instant::now();
        Ok(event)
    }

    /// Most bytes in one chunk: what both sides can take, a multiple of 16.
    pub(super) fn chunk(&self) -> usize {
        (usize::from(self.capabilities.max_chunk).min(MAX_CHUNK) & !15).max(16)
    }
}

/// A cosine in 1/2¹⁵, as cameras state it, as a number within ±1.
pub fn cosine(q15: i16) -> f32 {
    f32::from(q15) / f32::from(i16::MAX)
}

/// An identity's name as it travels.
///
/// # Errors
/// [`ClientError::Name`] when it is blank, too long, or holds control characters.
pub fn name(text: &str) -> Result<Name, ClientError> {
    let refused = || ClientError::Name { name: text.to_owned() };
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(refused());
    }
    Name::try_from(text).map_err(|_| refused())
}

/// `Hello`, and whether both speak the same version.
fn greet(conversation: &mut Conversation) -> Result<Capabilities, ClientError> {
    let capabilities = conversation.call::<endpoint::Hello>(&Hello { protocol: PROTOCOL_VERSION })?;
    if capabilities.protocol != PROTOCOL_VERSION {
        return Err(ClientError::Version { host: PROTOCOL_VERSION, camera: capabilities.protocol });
    }
    Ok(capabilities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_before_anything_is_sent() {
        assert_eq!(name("Änne").unwrap(), "Änne");
        assert_eq!(name(&"x".repeat(32)).unwrap().len(), 32);
        for bad in ["", " ", "a\nb", &"x".repeat(33), &"ä".repeat(17)] {
            assert!(matches!(name(bad), Err(ClientError::Name { .. })), "{bad:?}");
        }
    }

    #[test]
    fn cosines_run_from_minus_one_to_one() {
        assert_eq!((cosine(i16::MAX), cosine(-i16::MAX), cosine(0)), (1.0, -1.0, 0.0));
    }
}
