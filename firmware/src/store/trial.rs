//! Before a model runs it is tried: whole, within the camera's memory, and certified by whoever can run it.
//!
//! The store knows no arithmetic: `certify` is given the model and says whether the camera computes it rightly. Nothing
//! here writes to flash. A model that fails is passed over until it is sent again, and every start tries it anew.

use deja_shared::model::{Fingerprint, Model};
use deja_shared::protocol::refusal::Refusal;
use sha2::{Digest, Sha256};

use super::layout::Slot;
use super::record::Announcement;
use super::{Store, committed, newest_model};
use crate::board::Flash;

/// Says whether the camera computes a model rightly.
pub type Certify<'a> = dyn FnMut(&Model<'_>) -> Result<(), Refusal> + 'a;

/// What a camera's memory can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of activation memory.
    pub arena: u32,
    /// Bytes of a picture.
    pub picture: u32,
}

impl<F: Flash> Store<F> {
    /// Lets the older model take over from one that `certify` refuses, until one passes or none is left. For the start.
    pub fn settle(&mut self, certify: &mut Certify<'_>) {
        while self.model().is_some_and(|model| certify(&model).is_err()) {
            self.fall_back();
        }
    }

    /// Tries the running model from end to end. Where it fails, the older model takes over if it passes.
    ///
    /// # Errors
    /// [`Refusal::NoModel`]; what was wrong with the model that ran, as for [`Store::commit`].
    pub fn recheck(&mut self, limits: Limits, certify: &mut Certify<'_>) -> Result<(), Refusal> {
        let active = self.active.ok_or(Refusal::NoModel)?;
        let tried = self.attempt(active.slot, &active.announcement, limits, certify);
        if tried.is_err() {
            self.fall_back();
            self.settle(certify);
        }
        tried.map(drop)
    }

    /// Whether flash holds a newer model than the one that runs: one that failed.
    pub fn has_fallen_back(&self) -> bool {
        self.newest_generation() > self.active.map(|active| active.generation)
    }

    /// The highest generation of a commitment, whatever has become of the model.
    pub(super) fn newest_generation(&self) -> Option<u32> {
        let generation = |slot| committed(self.flash.mapped(), &self.layout, slot).map(|(_, generation)| generation);
        Slot::BOTH.into_iter().filter_map(generation).max()
    }

    /// Everything that a model must pass before it runs; gives its fingerprint.
    pub(super) fn attempt(
        &self,
        slot: Slot,
        announcement: &Announcement,
        limits: Limits,
        certify: &mut Certify<'_>,
    ) -> Result<Fingerprint, Refusal> {
        let content = self.layout.content(self.flash.mapped(), slot);
        let file = content.get(..announcement.bytes as usize).ok_or(Refusal::Flash)?;
        let digest: [u8; 32] = Sha256::digest(file).into();
        if digest != announcement.sha256 {
            return Err(Refusal::WrongDigest);
        }
        let model = Model::parse(file).map_err(Refusal::InvalidModel)?;
        let header = model.header();
        if header.arena_bytes > limits.arena {
            return Err(Refusal::ArenaTooSmall { needed: header.arena_bytes, capacity: limits.arena });
        }
        if header.picture_bytes() > limits.picture.into() {
            return Err(Refusal::ImageSize { capacity: limits.picture });
        }
        certify(&model)?;
        Ok(header.fingerprint)
    }

    fn fall_back(&mut self) {
        let latest = self.active.and_then(|active| active.generation.checked_sub(1));
        self.active = latest.and_then(|latest| newest_model(self.flash.mapped(), &self.layout, latest));
    }
}
