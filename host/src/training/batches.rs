//! Prepares batches in a thread of its own, one ahead of the engine.

use super::Recipe;
use super::material::Material;
use super::randomness::{Purpose, stream};
use crate::augment::{self, Augment};
use crate::mining::Triplet;
use crate::sampler::{Draw, Guidance, Sampler};
use rand::Rng;
use std::sync::mpsc::{Receiver, SyncSender};

/// A batch ready for the engine.
#[derive(Debug, PartialEq)]
pub struct PreparedBatch {
    /// `[B, height, width, 3]` RGB bytes, augmented.
    pub pixels: Vec<u8>,
    /// Class of each picture, `[B]`.
    pub classes: Vec<u32>,
    /// Index of each picture in the material, `[B]`.
    pub pictures: Vec<usize>,
    /// Rows that were mined before the batch was made; empty where nothing was.
    pub triplets: Vec<Triplet>,
}

/// What batches are made from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The pictures.
    pub material: &'a Material,
    /// Which of them stand together.
    pub sampler: &'a Sampler,
    /// Seed, epochs and augmentation.
    pub recipe: &'a Recipe,
}

impl Source<'_> {
    /// Sends every batch from batch `batch` of epoch `epoch` (both from 0) to the end of the run, in order, and returns when
    /// all are sent or nobody listens any more. A guided sampler waits for its guidance before each epoch.
    pub fn send_all(&self, epoch: u64, batch: u64, guidance: &Receiver<Guidance>, sender: &SyncSender<PreparedBatch>) {
        for current in epoch..self.recipe.epochs {
            let skip = if current == epoch { batch } else { 0 };
            let Some(guidance) = self.guidance(guidance) else { return };
            let mut rng = stream(self.recipe.seed, Purpose::Sampler, current, 0);
            for (index, draw) in (0..).zip(self.sampler.epoch(&guidance, &mut rng)).skip(skip as usize) {
                if sender.send(self.prepare(current, index, draw)).is_err() {
                    return;
                }
            }
        }
    }

    /// What the epoch's beginning is told, at once where nothing needs to be known; `None` when nobody tells any more.
    fn guidance(&self, guidance: &Receiver<Guidance>) -> Option<Guidance> {
        if self.sampler.is_guided() { guidance.recv().ok() } else { Some(Guidance::default()) }
    }

    /// Gathers and augments the pictures of one batch; what comes out depends on seed, epoch and batch alone.
    fn prepare(&self, epoch: u64, index: u64, draw: Draw) -> PreparedBatch {
        let Draw { pictures, triplets } = draw;
        let train = &self.material.train;
        let seed = stream(self.recipe.seed, Purpose::Augment, epoch, index).next_u64();
        let mut pixels = vec![0; pictures.len() * train.size[0] * train.size[1] * 3];
        augment::batch(&self.strength(epoch), &train.pixels, train.size, &pictures, seed, &mut pixels);
        let classes = pictures.iter().map(|&picture| self.material.classes[picture]).collect();
        PreparedBatch { pixels, classes, pictures, triplets }
    }

    /// The recipe's changes at the strength of this epoch.
    fn strength(&self, epoch: u64) -> Augment {
        let ramp = self.recipe.augment_ramp;
        if epoch + 1 >= ramp {
            self.recipe.augment.clone()
        } else {
            self.recipe.augment.scaled((epoch + 1) as f32 / ramp as f32)
        }
    }
}
