//! How a triplet's violation is charged: hinge or softplus.

/// How much nearer, and how a violation is charged; z = d(a,p) − d(a,n).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Margin {
    /// max(0, z + m): nothing once the negative is m farther (Schroff, Kalenichenko, Philbin 2015).
    Hinge(f32),
    /// softplus(z) = ln(1 + eᶻ): never quite satisfied (Hermans, Beyer, Leibe 2017, §2).
    Soft,
}

impl Margin {
    /// The charge and its slope at z.
    ///
    /// softplus is max(z, 0) + log1p(e^−|z|), which cannot overflow.
    pub fn charge(self, z: f32) -> (f32, f32) {
        match self {
            Self::Hinge(margin) if z + margin > 0.0 => (z + margin, 1.0),
            Self::Hinge(_) => (0.0, 0.0),
            Self::Soft => {
                let small = (-z.abs()).exp();
                let slope = if z >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
                (z.max(0.0) + small.ln_1p(), slope)
            }
        }
    }

    /// Whether a triplet is hard or semi-hard: inside the margin. The soft margin counts only hard ones, d(a,n) ≤ d(a,p).
    pub fn active(self, z: f32) -> bool {
        match self {
            Self::Hinge(margin) => z + margin > 0.0,
            Self::Soft => z >= 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_margin_does_not_overflow() {
        assert_eq!(Margin::Soft.charge(1e30), (1e30, 1.0));
        assert_eq!(Margin::Soft.charge(-1e30), (0.0, 0.0));
        let (charge, slope) = Margin::Soft.charge(0.0);
        assert!((charge - std::f32::consts::LN_2).abs() < 1e-7 && slope == 0.5);
    }

    #[test]
    fn the_hinge_ends_at_its_margin() {
        assert_eq!(Margin::Hinge(0.5).charge(-0.5), (0.0, 0.0));
        assert_eq!(Margin::Hinge(0.5).charge(-0.25), (0.25, 1.0));
        assert!(Margin::Hinge(0.5).active(-0.25) && !Margin::Hinge(0.5).active(-0.5));
    }
}
