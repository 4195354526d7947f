//! Why a set cannot be mined.

use super::Counts;

/// Why a set cannot be mined.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MiningError {
    /// A number outside of what makes sense.
    #[error("mining: {name} = {value}: give {expected}")]
    Setting {
        /// Which setting.
        name: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// Shares that are no shares.
    #[error(
        "mining: shares of {easy} easy, {semi_hard} semi-hard and {hard} hard triplets, {} in sum: give fractions from 0 to 1 \
         that sum to 1",
        easy + semi_hard + hard
    )]
    Quota {
        /// Of easy triplets.
        easy: f32,
        /// Of semi-hard ones.
        semi_hard: f32,
        /// Of hard ones.
        hard: f32,
    },
    /// The network's answer to a picture is NaN or infinite.
    #[error("the embedding of picture {row} is not finite: take an earlier checkpoint")]
    NotFinite {
        /// Which picture of those embedded, from 0.
        row: usize,
    },
    /// Nothing to choose from.
    #[error(
        "there is no triplet at all: that takes an identity with two pictures and a picture of another; embed more pictures or \
         take another data set"
    )]
    NoTriplets,
    /// There are triplets, but none of those that the quota asks for.
    #[error(
        "no triplet is of a class that is wanted: there are {} easy, {} semi-hard and {} hard ones, and wanted are {} easy, {} \
         semi-hard and {} hard ones; change the margin or the shares",
        examined.easy, examined.semi_hard, examined.hard, wanted.easy, wanted.semi_hard, wanted.hard
    )]
    NothingWanted {
        /// By the quota.
        wanted: Counts,
        /// In the set.
        examined: Counts,
    },
    /// The user stopped it.
    #[error("interrupted before all pictures were mined")]
    Interrupted,
}
