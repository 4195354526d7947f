//! What embedding takes, layer by layer, by the board's own clock and on its own stack.

use core::marker::PhantomData;

use deja_shared::protocol::PROFILE_PAGE;
use deja_shared::protocol::messages::{LayerTicks, Profiled};
use deja_shared::protocol::refusal::Refusal;

use super::Recognizer;
use super::picture::refusal;
use crate::board::{Board, Clock};
use crate::embedder::{self, Meter};

/// The clock is read so often to learn what reading it takes.
const READINGS: usize = 8;

type Page = heapless::Vec<LayerTicks, PROFILE_PAGE>;

/// Adds up what the layers from number `first` on take.
struct Stopwatch<'a, B: Board> {
    clock: &'a mut B::Clock,
    first: u16,
    page: &'a mut Page,
    /// Ticks between two readings of the clock with nothing in between.
    reading: u64,
    started: u64,
    board: PhantomData<B>,
}

impl<B: Board> Meter for Stopwatch<'_, B> {
    fn start(&mut self) {
        B::mark_stack();
        self.started = self.clock.ticks();
    }

    fn stop(&mut self, layer: u16) {
        let ticks = since(self.started, self.clock.ticks(), self.reading);
        let index = layer.checked_sub(self.first).map(usize::from);
        if let Some(entry) = index.and_then(|index| self.page.get_mut(index)) {
            entry.ticks = entry.ticks.saturating_add(u32::try_from(ticks).unwrap_or(u32::MAX));
            entry.stack_bytes = entry.stack_bytes.max(B::stack_bytes());
        }
    }
}

impl<B: Board> Recognizer<'_, B> {
    /// Embeds the model's first golden picture, once in one go and once with a look at the clock around every kernel, and
    /// gives what the layers behind the first `skip` take.
    ///
    /// # Errors
    /// [`Refusal::NoModel`], [`Refusal::NoGolden`], and those of the embedding.
    pub fn profile(&mut self, skip: u16) -> Result<Profiled, Refusal> {
        let too_large = Refusal::ImageSize { capacity: self.picture_capacity() };
        let model = self.store.model().ok_or(Refusal::NoModel)?;
        let (picture, _) = model.golden().next().ok_or(Refusal::NoGolden)?;
        let arena = &mut *self.buffers.arena;
        let reading = reading(&mut self.clock);
        let started = self.clock.ticks();
        embedder::embed(&model, picture, arena).map_err(|error| refusal(error, too_large))?;
        let ticks = since(started, self.clock.ticks(), reading);
        let total = model.header().layer_count;
        let mut layers = Page::new();
        // Fails never: the page is no longer than its capacity.
        layers.resize_default(usize::from(total.saturating_sub(skip)).min(PROFILE_PAGE)).ok();
        let (clock, page) = (&mut self.clock, &mut layers);
        let mut stopwatch = Stopwatch::<B> { clock, first: skip, page, reading, started, board: PhantomData };
        embedder::embed_metered(&model, picture, arena, &mut stopwatch).map_err(|error| refusal(error, too_large))?;
        let (ticks_per_second, ticks_are_cycles) = (self.clock.ticks_per_second(), B::Clock::TICKS_ARE_CYCLES);
        let fingerprint = model.header().fingerprint;
        Ok(Profiled { fingerprint, ticks_per_second, ticks_are_cycles, ticks, total, layers })
    }
}

/// The least time between two readings in a row.
fn reading<C: Clock>(clock: &mut C) -> u64 {
    (0..READINGS).fold(u64::MAX, |least, _| {
        let started = clock.ticks();
        least.min(clock.ticks() - started)
    })
}

fn since(started: u64, now: u64, reading: u64) -> u64 {
    now.saturating_sub(started).saturating_sub(reading)
}
