//! The learning rate over a run: a linear warm-up, then half a cosine.

use serde::{Deserialize, Serialize};

/// The shape of the learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Epochs in which the rate rises linearly to its full value.
    pub warm_up: f32,
    /// Where the cosine ends, as a fraction of the full rate.
    pub floor: f32,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { warm_up: 3.0, floor: 0.01 }
    }
}

impl Schedule {
    /// Factor on the learning rate at `step` of `total`, of which `per_epoch` make an epoch: (step + 1)/w during the w steps
    /// of warm-up, then floor + (1 − floor)·(1 + cos πt)/2 with t from 0 to 1 over the rest (Loshchilov, Hutter 2017).
    pub fn factor(&self, step: u64, total: u64, per_epoch: u64) -> f32 {
        let warm_up = f64::from(self.warm_up) * per_epoch as f64;
        let step = step as f64;
        if step < warm_up.floor() {
            return ((step + 1.0) / warm_up) as f32;
        }
        let t = ((step - warm_up) / (total as f64 - warm_up).max(1.0)).clamp(0.0, 1.0);
        let floor = f64::from(self.floor);
        (floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * t).cos())) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_linearly_then_falls_to_the_floor() {
        let schedule = Schedule { warm_up: 2.0, floor: 0.1 };
        let factors: Vec<f32> = (0..100).map(|step| schedule.factor(step, 100, 10)).collect();
        assert_eq!(factors[0], 0.05);
        assert_eq!(factors[19], 1.0);
        assert_eq!(factors[20], 1.0);
        assert!(factors[..20].windows(2).all(|pair| pair[0] < pair[1]));
        assert!(factors[20..].windows(2).all(|pair| pair[0] > pair[1]));
        assert!((factors[60] - 0.55).abs() < 1e-6, "half way: {}", factors[60]);
        assert!((schedule.factor(100, 100, 10) - 0.1).abs() < 1e-6);
    }

    #[test]
    fn a_run_shorter_than_its_warm_up_and_one_without_have_finite_rates() {
        let long = Schedule { warm_up: 9.0, floor: 0.0 };
        assert!((0..4).all(|step| long.factor(step, 4, 2) > 0.0 && long.factor(step, 4, 2) < 1.0));
        let none = Schedule { warm_up: 0.0, floor: 0.0 };
        assert_eq!(none.factor(0, 1, 1), 1.0);
    }
}
