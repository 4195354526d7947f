//! Watches a run for the ways in which metric learning goes wrong, and names each with its cause and what to do.

use super::vitals::Vitals;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What happens when the watchdog sees a trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// Nothing.
    Ignore,
    /// It is said, written to the log and the report, and training goes on.
    Warn,
    /// Training ends with an error; the checkpoint of the last epoch's end is kept.
    Stop,
}

/// The reaction to each trouble. A loss or weight that is not finite always stops a run: there is nothing to go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchdogSettings {
    /// All embeddings in one place or on one line.
    pub on_collapse: Reaction,
    /// Embeddings that grow without end.
    pub on_exploding_norms: Reaction,
    /// An epoch in which no triplet taught anything.
    pub on_no_active_triplets: Reaction,
}

impl Default for WatchdogSettings {
    /// Warnings: an ID loss pulls some runs out of a collapse, and the end of a good run may have no active triplets left.
    fn default() -> Self {
        Self { on_collapse: Reaction::Warn, on_exploding_norms: Reaction::Warn, on_no_active_triplets: Reaction::Warn }
    }
}

/// A way in which a run goes wrong; its text names cause and remedy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trouble {
    /// All embeddings lie in one place.
    Collapse {
        /// Smoothed spread of a batch.
        spread: f32,
        /// What it was while all was well.
        healthy: f32,
    },
    /// All embeddings lie on one line.
    RankCollapse {
        /// Smoothed effective rank of a batch.
        rank: f32,
        /// What it was while all was well.
        healthy: f32,
    },
    /// Embeddings grow without end.
    ExplodingNorms {
        /// Smoothed mean norm of a batch.
        norm: f32,
        /// What it was after the first batches.
        healthy: f32,
    },
    /// No triplet of a whole epoch was active.
    NoActiveTriplets,
}

/// What the watchdog remembers from batch to batch; part of the checkpoint, so that a resumed run is watched alike.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watchdog {
    batches: u64,
    spread: Track,
    rank: Track,
    norm: Track,
}

/// One measurement: its running mean, its healthy value, and for how many batches in a row it has looked bad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Track {
    smoothed: f32,
    healthy: f32,
    streak: u32,
}

impl Watchdog {
    /// Batches in a row that must look bad: single batches may, in the first steps of a healthy run many do.
    pub const PATIENCE: u32 = 20;
    /// Share of its healthy value, or of the distance on which the loss works, below which a spread has collapsed.
    const COLLAPSED: f32 = 0.05;
    /// A batch whose effective rank is below the first number after it had been above the second lies on a line.
    const RANKS: (f32, f32) = (1.5, 3.0);
    /// Times its healthy value at which a norm explodes.
    const EXPLODED: f32 = 30.0;
    /// A norm at which f32 no longer resolves the distances that a loss works on, whatever it was before.
    const LARGEST_NORM: f32 = 1e4;
    /// The share by which a healthy value fades a batch: half of it in about 700.
    const FADING: f32 = 0.999;

    /// Looks at one batch; reports each trouble once, on the batch that exhausts the patience, and again only after a
    /// recovery. `reach` is the distance on which the loss works, where it has one: the margin of a hinge, 1 of a soft
    /// margin. At spreads far below it every triplet looks alike, the loss stands still and so does its gradient.
    pub fn batch(&mut self, vitals: &Vitals, reach: Option<f32>) -> Option<Trouble> {
        self.batches += 1;
        let (first, warm) = (self.batches == 1, self.batches <= u64::from(Self::PATIENCE));
        for (track, value) in
            [(&mut self.spread, vitals.spread), (&mut self.rank, vitals.rank), (&mut self.norm, vitals.norm)]
        {
            track.smooth(value, first);
        }
        self.spread.keep_peak(Self::FADING);
        self.rank.keep_peak(Self::FADING);
        if warm {
            self.norm.healthy = self.norm.smoothed;
        }
        let spread = self.spread;
        let point = spread.smoothed <= Self::COLLAPSED * spread.healthy.max(reach.unwrap_or(0.0));
        let line = self.rank.smoothed < Self::RANKS.0 && self.rank.healthy > Self::RANKS.1;
        let norm = self.norm;
        let exploded = norm.smoothed > Self::LARGEST_NORM || norm.smoothed > Self::EXPLODED * norm.healthy;
        let reports = [
            (self.spread.look(point), Trouble::Collapse { spread: spread.smoothed, healthy: spread.healthy }),
            (
                self.rank.look(line && !point),
                Trouble::RankCollapse { rank: self.rank.smoothed, healthy: self.rank.healthy },
            ),
            (self.norm.look(exploded), Trouble::ExplodingNorms { norm: norm.smoothed, healthy: norm.healthy }),
        ];
        reports.into_iter().find_map(|(due, trouble)| due.then_some(trouble))
    }

    /// Looks at a finished epoch by its mean share of active triplets, where a loss had any.
    pub fn epoch(active_fraction: Option<f32>) -> Option<Trouble> {
        (active_fraction == Some(0.0)).then_some(Trouble::NoActiveTriplets)
    }
}

impl Track {
    fn smooth(&mut self, value: f32, first: bool) {
        self.smoothed = if first { value } else { 0.9 * self.smoothed + 0.1 * value };
    }

    fn keep_peak(&mut self, fading: f32) {
        self.healthy = (self.healthy * fading).max(self.smoothed);
    }

    /// Counts; true on the batch that exhausts the patience.
    fn look(&mut self, bad: bool) -> bool {
        self.streak = if bad { self.streak.saturating_add(1) } else { 0 };
        self.streak == Watchdog::PATIENCE
    }
}

impl Trouble {
    /// What the recipe says about it.
    pub fn reaction(&self, settings: &WatchdogSettings) -> Reaction {
        match self {
            Self::Collapse { .. } | Self::RankCollapse { .. } => settings.on_collapse,
            Self::ExplodingNorms { .. } => settings.on_exploding_norms,
            Self::NoActiveTriplets => settings.on_no_active_triplets,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Collapse { spread, healthy } => write!(
                f,
                "collapse: all embeddings lie in one place (spread {spread:.1e}, was {healthy:.1e}), where the loss cannot tell \
                 which way is out. The hardest triplets of an untrained network, or steps that are too large, do this: lower \
                 optimizer.learning_rate, lengthen schedule.warm_up, mine less hard (batch_all, semi_hard or \
                 batch_weighted), or give the ID loss more weight"
            ),
            Self::RankCollapse { rank, healthy } => write!(
                f,
                "collapse: all embeddings lie on one line (effective rank {rank:.1}, was {healthy:.1}). Too large steps or a \
                 loss that only pulls together do this: lower optimizer.learning_rate, lengthen schedule.warm_up, or give the \
                 ID loss more weight"
            ),
            Self::ExplodingNorms { norm, healthy } => write!(
                f,
                "exploding norms: embeddings grow without end (mean norm {norm:.1e}, was {healthy:.1e}), so that margins no \
                 longer mean anything. Measure the metric loss on normalized embeddings (normalize = true), raise \
                 optimizer.weight_decay, or lower optimizer.learning_rate"
            ),
            Self::NoActiveTriplets => write!(
                f,
                "no active triplets: in the whole epoch no triplet violated the margin, so the metric loss taught nothing. \
                 Mine harder (batch_hard), raise the margin, put more identities into a batch (sampler.identities), or end \
                 the run here"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTHY: Vitals = Vitals { spread: 0.9, norm: 4.0, rank: 12.0 };

    /// The batches, from 1, at which something is reported.
    fn reports(batches: impl IntoIterator<Item = Vitals>, reach: Option<f32>) -> Vec<(usize, Trouble)> {
        let mut dog = Watchdog::default();
        let vitals = batches.into_iter().enumerate();
        vitals.filter_map(|(index, vitals)| Some((index + 1, dog.batch(&vitals, reach)?))).collect()
    }

    fn healthy_then(count: usize, vitals: Vitals) -> impl Iterator<Item = Vitals> {
        [HEALTHY].into_iter().cycle().take(count).chain([vitals].into_iter().cycle().take(200))
    }

    #[test]
    fn a_point_from_the_first_batch_on_is_a_collapse_where_the_loss_has_a_reach() {
        let point = Vitals { spread: 1e-4, norm: 1.0, rank: 2.0 };
        let found = reports([point; 100], Some(0.3));
        assert!(matches!(found[..], [(20, Trouble::Collapse { .. })]), "{found:?}");
        assert!(reports([point; 100], None).is_empty(), "small embeddings alone are no trouble");
    }

    #[test]
    fn a_spread_that_shrinks_to_a_part_of_itself_is_a_collapse() {
        let found = reports(healthy_then(50, Vitals { spread: 0.02, ..HEALTHY }), None);
        let [(batch, Trouble::Collapse { spread, healthy })] = found[..] else { panic!("{found:?}") };
        assert!((90..110).contains(&batch), "once smoothing has followed, and the patience is over: {batch}");
        assert!(spread < 0.05 && healthy > 0.8, "{spread} {healthy}");
        assert!(reports(healthy_then(50, Vitals { spread: 0.1, ..HEALTHY }), None).is_empty());
    }

    #[test]
    fn a_line_is_a_collapse_and_two_identities_on_one_from_the_start_are_not() {
        let line = Vitals { rank: 1.05, ..HEALTHY };
        let found = reports(healthy_then(50, line), Some(0.3));
        assert!(matches!(found[..], [(_, Trouble::RankCollapse { rank, .. })] if rank < 1.5), "{found:?}");
        assert!(reports([line; 200], Some(0.3)).is_empty());
    }

    #[test]
    fn norms_explode_against_their_beginning_or_the_precision_of_numbers() {
        let grown = Vitals { norm: 200.0, ..HEALTHY };
        let found = reports(healthy_then(50, grown), None);
        assert!(
            matches!(found[..], [(_, Trouble::ExplodingNorms { norm, healthy })] if norm > 100.0 && healthy == 4.0)
        );
        assert!(reports(healthy_then(50, Vitals { norm: 100.0, ..HEALTHY }), None).is_empty(), "25 times is growth");
        let huge = Vitals { norm: 2e4, ..HEALTHY };
        assert!(matches!(reports([huge; 100], None)[..], [(20, Trouble::ExplodingNorms { .. })]));
    }

    #[test]
    fn a_trouble_is_reported_again_after_a_recovery_and_not_for_single_batches() {
        let point = Vitals { spread: 0.0, ..HEALTHY };
        let bad_batch = (0..300).map(|i| if i % 15 == 0 { point } else { HEALTHY });
        assert!(reports(bad_batch, Some(0.3)).is_empty());
        let twice = (0..600).map(|i| if i / 150 % 2 == 1 { point } else { HEALTHY });
        assert_eq!(reports(twice, Some(0.3)).len(), 2);
    }

    #[test]
    fn an_epoch_without_active_triplets_is_named_and_one_without_triplets_is_not() {
        assert_eq!(Watchdog::epoch(Some(0.0)), Some(Trouble::NoActiveTriplets));
        assert_eq!((Watchdog::epoch(Some(0.001)), Watchdog::epoch(None)), (None, None));
    }

    #[test]
    fn every_trouble_has_its_reaction_and_says_what_to_do() {
        let settings = WatchdogSettings {
            on_collapse: Reaction::Stop,
            on_exploding_norms: Reaction::Ignore,
            on_no_active_triplets: Reaction::Warn,
        };
        for (trouble, reaction, remedy) in [
            (Trouble::Collapse { spread: 0.0, healthy: 1.0 }, Reaction::Stop, "schedule.warm_up"),
            (Trouble::RankCollapse { rank: 1.0, healthy: 9.0 }, Reaction::Stop, "ID loss"),
            (Trouble::ExplodingNorms { norm: 1e5, healthy: 1.0 }, Reaction::Ignore, "normalize = true"),
            (Trouble::NoActiveTriplets, Reaction::Warn, "sampler.identities"),
        ] {
            assert_eq!(trouble.reaction(&settings), reaction);
            assert!(trouble.to_string().contains(remedy), "{trouble}");
        }
    }

    #[test]
    fn what_it_remembers_survives_the_checkpoint() {
        let vitals = |i: u16| Vitals { spread: 1.0 / (1.0 + f32::from(i)), norm: 0.1 * f32::from(i), rank: 3.3 };
        let (mut whole, mut parts) = (Watchdog::default(), Watchdog::default());
        for i in 0..90 {
            parts = serde_json::from_str(&serde_json::to_string(&parts).unwrap()).unwrap();
            assert_eq!(whole.batch(&vitals(i), Some(0.3)), parts.batch(&vitals(i), Some(0.3)));
        }
        assert_eq!(whole, parts);
    }
}
