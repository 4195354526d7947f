//! Parity: the camera computes, bit for bit, what the model's maker computed, or the model does not run.

use deja_shared::model::Model;
use deja_shared::protocol::messages::Certificate;
use deja_shared::protocol::refusal::Refusal;

use super::Recognizer;
use super::picture::elapsed;
use crate::board::{Board, Sign};
use crate::embedder::{self, EmbedError, GoldenError};

/// Embeds every golden picture of the model.
pub(super) fn certify(model: &Model<'_>, arena: &mut [i8]) -> Result<(), Refusal> {
    if model.header().golden_count == 0 {
        return Err(Refusal::NoGolden);
    }
    embedder::check_golden(model, arena).map_err(|error| match error {
        GoldenError::Embed { error: EmbedError::Arena { needed, found }, .. } => {
            Refusal::ArenaTooSmall { needed, capacity: found as u32 }
        }
        GoldenError::Embed { pair, .. } | GoldenError::Differs { pair } => Refusal::Parity { pair },
    })
}

impl<B: Board> Recognizer<'_, B> {
    /// Tries the model that runs from end to end, and says what came of it. Where it fails, the older model takes over.
    ///
    /// # Errors
    /// [`Refusal::NoModel`].
    pub fn verify(&mut self) -> Result<Certificate, Refusal> {
        let start = self.micros();
        let header = *self.store.model().ok_or(Refusal::NoModel)?.header();
        self.show(Sign::Busy);
        let limits = self.limits();
        let arena = &mut *self.buffers.arena;
        let fault = self.store.recheck(limits, &mut |model| certify(model, arena)).err();
        self.show(Sign::Idle);
        Ok(Certificate {
            fingerprint: header.fingerprint,
            pairs: header.golden_count,
            fault,
            runs: self.store.model().map(|model| model.header().fingerprint),
            rolled_back: self.store.has_fallen_back(),
            microseconds: elapsed(start, self.micros()),
        })
    }

    /// Whether a newer model is in flash that failed.
    pub fn has_fallen_back(&self) -> bool {
        self.store.has_fallen_back()
    }

    /// At the start: the newest model that is whole and computes rightly runs. The firmware may have changed since.
    pub(super) fn settle(&mut self) {
        let arena = &mut *self.buffers.arena;
        self.store.settle(&mut |model| certify(model, arena));
    }
}
