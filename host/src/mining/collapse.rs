//! Recognises a collapse: every embedding in one place, and a loss that can no longer tell which way is out.

use std::fmt;

/// Counts batches in a row that look collapsed.
///
/// At one point all distances are zero, so a hinge stays at its margin m and a soft margin at ln 2, and the gradient of a
/// distance of zero is zero: training cannot leave by itself. A batch counts when the loss is within 5 % of that value *and*
/// the spread is below 5 % of the distance on which the loss works (m, or 1 for the soft margin).
#[derive(Debug, Clone)]
pub struct CollapseWatch {
    stuck_at: f32,
    reach: f32,
    streak: u32,
}

/// What a collapse looks like, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Collapse {
    /// Metric loss of the last batch.
    pub loss: f32,
    /// Spread of its embeddings: √(mean ‖x − x̄‖²).
    pub spread: f32,
}

impl CollapseWatch {
    /// Batches in a row before it is called a collapse: the first steps of a healthy run may look like one.
    pub const PATIENCE: u32 = 20;
    const TOLERANCE: f32 = 0.05;

    /// For a hinge of `margin`, or for the soft margin where it is `None`.
    pub fn new(margin: Option<f32>) -> Self {
        Self { stuck_at: margin.unwrap_or(std::f32::consts::LN_2), reach: margin.unwrap_or(1.0), streak: 0 }
    }

    /// Looks at one batch; reports once per collapse, on the batch that exhausts the patience.
    ///
    /// # Shapes
    /// `embeddings`: `[B, dimension]`, those that the loss saw.
    pub fn observe(&mut self, loss: f32, embeddings: &[f32], dimension: usize) -> Option<Collapse> {
        let spread = spread(embeddings, dimension);
        let stuck = (loss - self.stuck_at).abs() <= Self::TOLERANCE * self.stuck_at;
        let collapsed = stuck && spread <= Self::TOLERANCE * self.reach;
        self.streak = if collapsed { self.streak.saturating_add(1) } else { 0 };
        (self.streak == Self::PATIENCE).then_some(Collapse { loss, spread })
    }
}

impl fmt::Display for Collapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the embeddings have collapsed into one point (spread {:.1e}, metric loss stuck at {:.3}): lower \
             optimizer.learning_rate, lengthen schedule.warm_up, give the ID loss more weight, or set soft_margin = true for the triplet loss",
            self.spread, self.loss
        )
    }
}

/// √(mean over the batch of ‖x − x̄‖²); 0 for an empty batch.
pub fn spread(embeddings: &[f32], dimension: usize) -> f32 {
    let rows = embeddings.chunks_exact(dimension.max(1));
    let count = rows.len();
    if count == 0 {
        return 0.0;
    }
    let mut mean = vec![0.0f64; dimension];
    for row in rows.clone() {
        mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += f64::from(x) / count as f64);
    }
    let squares: f64 = rows.flat_map(|row| row.iter().zip(&mean)).map(|(&x, mean)| (f64::from(x) - mean).powi(2)).sum();
    (squares / count as f64).sqrt() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_by_hand() {
        assert_eq!(spread(&[0.0, 0.0, 2.0, 0.0], 2), 1.0);
        assert_eq!(spread(&[], 2), 0.0);
    }

    #[test]
    fn a_point_is_reported_once_after_the_patience() {
        for (margin, loss) in [(Some(0.3), 0.301), (None, 0.69)] {
            let mut watch = CollapseWatch::new(margin);
            let reports: Vec<bool> = (0..60).map(|_| watch.observe(loss, &[1.0; 12], 3).is_some()).collect();
            assert_eq!(reports.iter().position(|&report| report), Some(19));
            assert_eq!(reports.iter().filter(|&&report| report).count(), 1);
        }
    }

    #[test]
    fn spread_embeddings_or_a_moving_loss_are_no_collapse() {
        let mut watch = CollapseWatch::new(Some(0.3));
        assert!((0..60).all(|_| watch.observe(0.3, &[0.0, 1.0, 2.0, 3.0], 2).is_none()));
        assert!((0..60).all(|_| watch.observe(0.2, &[1.0; 4], 2).is_none()));
        assert!((0..60).all(|step| watch.observe(if step % 15 == 0 { 0.1 } else { 0.3 }, &[1.0; 4], 2).is_none()));
    }
}
