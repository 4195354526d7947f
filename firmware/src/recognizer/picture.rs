//! Pictures: sent piece by piece or captured, scaled to the model's input, embedded.

use deja_shared::embedding::Embedding;
use deja_shared::protocol::messages::{Embedded, ImageBegin, ImageChunk};
use deja_shared::protocol::refusal::Refusal;

use super::Recognizer;
use crate::board::{Board, Clock, Indicator, PictureSize, Sensor, Sign};
use crate::embedder::{self, EmbedError};
use crate::image;

/// What the pixel buffer holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Picture {
    /// Nothing.
    None,
    /// A picture of which `received` bytes are there.
    Arriving { size: PictureSize, received: u32 },
    /// A whole one.
    Whole(PictureSize),
}

/// The bounds of a stretch of time, in microseconds.
pub(super) fn elapsed(from: u64, to: u64) -> u32 {
    u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX)
}

/// What the camera answers when there is no embedding; `too_large` where the picture does not fit.
pub(super) fn refusal(error: EmbedError, too_large: Refusal) -> Refusal {
    match error {
        EmbedError::Blank => Refusal::Blank,
        EmbedError::Picture { .. } => too_large,
        EmbedError::Arena { needed, found } => Refusal::ArenaTooSmall { needed, capacity: found as u32 },
    }
}

impl<B: Board> Recognizer<'_, B> {
    /// Greatest picture, in bytes; a picture of exactly the model's input size may be larger.
    pub fn picture_capacity(&self) -> u32 {
        let scaled = self.store.model().map_or(0, |model| model.header().picture_bytes());
        (self.buffers.pixels.len() as u64).saturating_sub(scaled) as u32
    }

    /// A picture is about to come; gives the first byte that is expected.
    ///
    /// # Errors
    /// [`Refusal::ImageSize`].
    pub fn begin_picture(&mut self, begin: ImageBegin) -> Result<u32, Refusal> {
        let size = PictureSize { height: begin.height, width: begin.width };
        let needs_no_scaling = self.model_size() == Some(size);
        let capacity = if needs_no_scaling { self.limits().picture } else { self.picture_capacity() };
        if size.bytes() == 0 || size.bytes() > capacity {
            return Err(Refusal::ImageSize { capacity });
        }
        self.picture = Picture::Arriving { size, received: 0 };
        Ok(0)
    }

    /// Takes a stretch of the picture; gives the next byte that is expected.
    ///
    /// # Errors
    /// [`Refusal::NoImage`], [`Refusal::WrongOffset`] (also for what reaches beyond the picture's end).
    pub fn add_pixels(&mut self, chunk: &ImageChunk<'_>) -> Result<u32, Refusal> {
        let (size, received) = match self.picture {
            Picture::None => return Err(Refusal::NoImage),
            Picture::Arriving { size, received } => (size, received),
            Picture::Whole(size) => (size, size.bytes()),
        };
        let wrong = Refusal::WrongOffset { expected: received };
        let missing = (size.bytes() - received) as usize;
        if chunk.offset != received || chunk.bytes.len() > missing {
            return Err(wrong);
        }
        let place = self.buffers.pixels.get_mut(received as usize..).and_then(|rest| rest.get_mut(..chunk.bytes.len()));
        place.ok_or(wrong)?.copy_from_slice(chunk.bytes);
        let received = received + chunk.bytes.len() as u32;
        let is_whole = received == size.bytes();
        self.picture = if is_whole { Picture::Whole(size) } else { Picture::Arriving { size, received } };
        Ok(received)
    }

    /// Lets the sensor put a picture in the place of the one that was there. Says whether it did.
    pub fn capture(&mut self, sensor: &mut B::Sensor) -> bool {
        let capacity = self.picture_capacity();
        let captured = sensor.capture(&mut self.buffers.pixels[..capacity as usize]);
        let usable = captured.filter(|size| (1..=capacity).contains(&size.bytes()));
        if let Some(size) = usable {
            self.picture = Picture::Whole(size);
        }
        usable.is_some()
    }

    /// Embeds the picture, which stays for further questions.
    ///
    /// # Errors
    /// [`Refusal::NoModel`], [`Refusal::NoImage`], [`Refusal::Blank`], and where a new model takes larger pictures
    /// [`Refusal::ImageSize`] or [`Refusal::ArenaTooSmall`].
    pub fn embed(&mut self) -> Result<Embedded, Refusal> {
        let start = self.clock.micros();
        self.indicator.show(Sign::Busy);
        let embedding = self.embed_picture();
        self.indicator.show(Sign::Idle);
        let microseconds = elapsed(start, self.clock.micros());
        let embedding = embedding?;
        self.statistics.embedded = self.statistics.embedded.wrapping_add(1);
        self.statistics.last_embed_us = microseconds;
        Ok(Embedded { embedding, microseconds })
    }

    fn embed_picture(&mut self) -> Result<Embedding, Refusal> {
        let model = self.store.model().ok_or(Refusal::NoModel)?;
        let Picture::Whole(size) = self.picture else { return Err(Refusal::NoImage) };
        let header = model.header();
        let input = PictureSize { height: header.input_height, width: header.input_width };
        let too_large = Refusal::ImageSize { capacity: self.picture_capacity() };
        let (picture, rest) = self.buffers.pixels.split_at_mut(size.bytes() as usize);
        let picture = if size == input {
            picture
        } else {
            let scaled = rest.get_mut(..input.bytes() as usize).ok_or(too_large)?;
            image::resize(picture, size.sides(), scaled, input.sides()).map_err(|_| too_large)?;
            scaled
        };
        embedder::embed(&model, picture, self.buffers.arena).map_err(|error| refusal(error, too_large))
    }

    /// Forgets the picture.
    pub fn drop_picture(&mut self) {
        self.picture = Picture::None;
    }

    /// Whether there is a picture, or a part of one.
    pub fn holds_picture(&self) -> bool {
        !matches!(self.picture, Picture::None)
    }

    fn model_size(&self) -> Option<PictureSize> {
        let header = *self.store.model()?.header();
        Some(PictureSize { height: header.input_height, width: header.input_width })
    }
}
