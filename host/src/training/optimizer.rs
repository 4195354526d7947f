//! How gradients change parameters: AdamW, or SGD with momentum.

use serde::{Deserialize, Serialize};

/// Which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// Adam with decoupled weight decay (Loshchilov, Hutter 2019).
    Adamw,
    /// Momentum as PyTorch keeps it, v ← μv + g, with the same decoupled weight decay.
    Sgd,
}

/// A rule and its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerSettings {
    /// Which rule.
    pub kind: OptimizerKind,
    /// Learning rate at its highest; the schedule scales it.
    pub learning_rate: f32,
    /// Share of a weight taken off per step and unit of learning rate; biases and norms are spared.
    pub weight_decay: f32,
    /// μ of SGD, β₁ of AdamW.
    pub momentum: f32,
    /// β₂ of AdamW. Runs here have hundreds of steps, and the gradients of the first are far the largest: with the usual
    /// 0.999 these would hold down the rate of all the others.
    pub second_momentum: f32,
}

impl Default for OptimizerSettings {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Adamw,
            learning_rate: 1e-2,
            weight_decay: 5e-3,
            momentum: 0.9,
            second_momentum: 0.99,
        }
    }
}

/// The moments of every parameter, addressed by the parameter's index.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimizer {
    settings: OptimizerSettings,
    /// Steps begun so far.
    pub step: u64,
    /// Running mean of the gradient (SGD: its velocity), as long as the parameter; empty where nothing is trained.
    pub first: Vec<Vec<f32>>,
    /// Running mean of the squared gradient; empty for SGD.
    pub second: Vec<Vec<f32>>,
}

impl Optimizer {
    const EPSILON: f32 = 1e-8;

    /// Moments at zero for parameters of these lengths (0 where nothing is trained).
    pub fn new(settings: OptimizerSettings, lengths: &[usize]) -> Self {
        let zeros = || lengths.iter().map(|&length| vec![0.0; length]).collect();
        let second = match settings.kind {
            OptimizerKind::Adamw => zeros(),
            OptimizerKind::Sgd => vec![Vec::new(); lengths.len()],
        };
        Self { settings, step: 0, first: zeros(), second }
    }

    /// Begins a step; every parameter is updated once in it.
    pub fn begin_step(&mut self) {
        self.step += 1;
    }

    /// Changes one parameter. `factor` scales the learning rate, `decay` says whether weight decay applies.
    ///
    /// AdamW: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², w ← w − η·(m/(1−β₁ᵗ) / (√(v/(1−β₂ᵗ)) + ε) + λw).
    /// SGD: v ← μv + g, w ← w − η·(v + λw).
    ///
    /// # Shapes
    /// `values` and `gradient` as long as the parameter at `index`.
    pub fn update(&mut self, index: usize, factor: f32, decay: bool, values: &mut [f32], gradient: &[f32]) {
        let OptimizerSettings { kind, learning_rate, weight_decay, momentum, second_momentum } = self.settings;
        let rate = learning_rate * factor;
        let decay = if decay { weight_decay } else { 0.0 };
        let first = self.first[index].iter_mut();
        match kind {
            OptimizerKind::Adamw => {
                let correction = |beta: f32| (1.0 - f64::from(beta).powf(self.step as f64)) as f32;
                let (c1, c2) = (correction(momentum), correction(second_momentum));
                let moments = first.zip(&mut self.second[index]);
                for ((w, &g), (m, v)) in values.iter_mut().zip(gradient).zip(moments) {
                    *m = momentum * *m + (1.0 - momentum) * g;
                    *v = second_momentum * *v + (1.0 - second_momentum) * g * g;
                    *w -= rate * (*m / c1 / ((*v / c2).sqrt() + Self::EPSILON) + decay * *w);
                }
            }
            OptimizerKind::Sgd => {
                for ((w, &g), v) in values.iter_mut().zip(gradient).zip(first) {
                    *v = momentum * *v + g;
                    *w -= rate * (*v + decay * *w);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(kind: OptimizerKind) -> OptimizerSettings {
        OptimizerSettings { kind, learning_rate: 0.1, weight_decay: 0.5, momentum: 0.9, second_momentum: 0.999 }
    }

    #[test]
    fn adamw_by_hand() {
        let mut optimizer = Optimizer::new(settings(OptimizerKind::Adamw), &[0, 1]);
        let mut w = [2.0];
        optimizer.begin_step();
        optimizer.update(1, 1.0, true, &mut w, &[3.0]);
        // The first step of Adam is the sign of the gradient: 2 − 0.1·(1 + 0.5·2).
        assert!((w[0] - 1.8).abs() < 1e-6, "{w:?}");
        optimizer.begin_step();
        optimizer.update(1, 0.5, false, &mut w, &[-1.0]);
        let m: f64 = (0.9 * 0.3 - 0.1) / (1.0 - 0.81);
        let v: f64 = (0.999 * 0.009 + 0.001) / (1.0 - 0.998_001);
        assert!((f64::from(w[0]) - (1.8 - 0.05 * m / v.sqrt())).abs() < 1e-5, "{w:?}");
    }

    #[test]
    fn sgd_by_hand() {
        let mut optimizer = Optimizer::new(settings(OptimizerKind::Sgd), &[1]);
        let mut w = [2.0];
        optimizer.begin_step();
        optimizer.update(0, 1.0, true, &mut w, &[3.0]);
        assert!((w[0] - (2.0 - 0.1 * (3.0 + 1.0))).abs() < 1e-6);
        optimizer.begin_step();
        optimizer.update(0, 1.0, false, &mut w, &[1.0]);
        assert!((w[0] - (1.6 - 0.1 * 3.7)).abs() < 1e-6);
    }

    #[test]
    fn both_find_the_bottom_of_a_bowl() {
        for kind in [OptimizerKind::Adamw, OptimizerKind::Sgd] {
            let settings = OptimizerSettings { weight_decay: 0.0, ..settings(kind) };
            let mut optimizer = Optimizer::new(settings, &[2]);
            let mut w = [5.0f32, -3.0];
            for _ in 0..400 {
                let gradient = [2.0 * (w[0] - 1.0), 8.0 * (w[1] - 2.0)];
                optimizer.begin_step();
                optimizer.update(0, 0.3, true, &mut w, &gradient);
            }
            assert!((w[0] - 1.0).abs() < 0.05 && (w[1] - 2.0).abs() < 0.05, "{kind:?}: {w:?}");
        }
    }
}
