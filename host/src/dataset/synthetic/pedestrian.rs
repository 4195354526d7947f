//! Who somebody is: the body and everything worn, drawn once from the identity's own generator.

use super::canvas::Colour;
use rand::{Rng, RngExt};

/// How a surface is coloured. Lengths are in body heights.
#[derive(Debug, Clone)]
pub(super) struct Fabric {
    pub(super) pattern: Pattern,
    pub(super) first: Colour,
    pub(super) second: Colour,
    /// Length after which stripes repeat.
    pub(super) period: f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pattern {
    Plain,
    /// Stripes around the body.
    Hoops,
    /// Stripes down the body.
    Stripes,
    Checks,
    /// A print on the chest.
    Logo,
    /// One broad stripe around the chest.
    Band,
    /// The shoulders in another colour.
    Yoke,
    /// A large print on the back.
    BackPrint,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum TopCut {
    Sleeveless,
    ShortSleeves,
    LongSleeves,
    /// Long sleeves, open in front over an undershirt.
    OpenJacket,
    /// Open in front, down to the thighs.
    Coat,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum BottomCut {
    Trousers,
    Shorts,
    Skirt,
    LongSkirt,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum HairCut {
    Bald,
    Short,
    Full,
    Long,
    Bun,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Hat {
    Bare,
    Cap,
    Beanie,
    Hood,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bag {
    Nothing,
    Backpack,
    /// On one hip, with a strap across the body. `1` is the left side, `−1` the right.
    Shoulder(f32),
    /// In one hand.
    Hand(f32),
}

/// One identity.
#[derive(Debug, Clone)]
pub(super) struct Pedestrian {
    /// Body height relative to the mean.
    pub(super) stature: f32,
    /// Breadth relative to the mean.
    pub(super) build: f32,
    /// Hips relative to shoulders.
    pub(super) hips: f32,
    pub(super) skin: Colour,
    pub(super) hair: (HairCut, Colour),
    pub(super) hat: (Hat, Colour),
    pub(super) top: (TopCut, Fabric),
    pub(super) undershirt: Colour,
    pub(super) bottom: (BottomCut, Fabric),
    /// Colour of the legs below a skirt or shorts.
    pub(super) legs: Colour,
    pub(super) shoes: Colour,
    pub(super) bag: (Bag, Colour),
}

const SKINS: [Colour; 5] =
    [[0.94, 0.78, 0.68], [0.87, 0.68, 0.55], [0.76, 0.56, 0.42], [0.55, 0.38, 0.27], [0.36, 0.24, 0.17]];
const HAIRS: [Colour; 5] =
    [[0.08, 0.07, 0.07], [0.22, 0.14, 0.09], [0.42, 0.28, 0.15], [0.72, 0.58, 0.34], [0.55, 0.54, 0.53]];
/// Few colours for many people, the common ones more than once.
const TOPS: [Colour; 12] = [
    [0.10, 0.10, 0.11],
    [0.10, 0.10, 0.11],
    [0.84, 0.84, 0.82],
    [0.84, 0.84, 0.82],
    [0.45, 0.46, 0.48],
    [0.12, 0.15, 0.30],
    [0.12, 0.15, 0.30],
    [0.62, 0.13, 0.14],
    [0.22, 0.38, 0.66],
    [0.22, 0.40, 0.26],
    [0.70, 0.60, 0.46],
    [0.84, 0.68, 0.22],
];
const BOTTOMS: [Colour; 8] = [
    [0.09, 0.09, 0.10],
    [0.09, 0.09, 0.10],
    [0.16, 0.21, 0.34],
    [0.16, 0.21, 0.34],
    [0.42, 0.52, 0.66],
    [0.60, 0.53, 0.40],
    [0.36, 0.36, 0.37],
    [0.78, 0.77, 0.74],
];
const SHOES: [Colour; 4] = [[0.08, 0.08, 0.08], [0.86, 0.86, 0.85], [0.38, 0.25, 0.15], [0.62, 0.15, 0.15]];
const BAGS: [Colour; 6] = [
    [0.09, 0.09, 0.09],
    [0.14, 0.18, 0.36],
    [0.58, 0.14, 0.14],
    [0.40, 0.27, 0.16],
    [0.34, 0.36, 0.34],
    [0.20, 0.44, 0.42],
];

impl Pedestrian {
    /// Draws an identity.
    pub(super) fn new(rng: &mut impl Rng) -> Self {
        let top = (top_cut(rng), fabric(rng, &TOPS, 0.55));
        Self {
            stature: rng.random_range(0.9..1.08),
            build: rng.random_range(0.84..1.22),
            hips: rng.random_range(0.85..1.12),
            skin: near(pick(rng, &SKINS), rng),
            hair: (
                pick(
                    rng,
                    &[
                        HairCut::Bald,
                        HairCut::Short,
                        HairCut::Short,
                        HairCut::Full,
                        HairCut::Long,
                        HairCut::Long,
                        HairCut::Bun,
                    ],
                ),
                near(pick(rng, &HAIRS), rng),
            ),
            hat: (
                pick(rng, &[Hat::Bare, Hat::Bare, Hat::Bare, Hat::Bare, Hat::Cap, Hat::Beanie, Hat::Hood]),
                near(pick(rng, &TOPS), rng),
            ),
            undershirt: near(pick(rng, &TOPS), rng),
            bottom: (
                pick(
                    rng,
                    &[
                        BottomCut::Trousers,
                        BottomCut::Trousers,
                        BottomCut::Trousers,
                        BottomCut::Trousers,
                        BottomCut::Shorts,
                        BottomCut::Skirt,
                        BottomCut::LongSkirt,
                    ],
                ),
                fabric(rng, &BOTTOMS, 0.15),
            ),
            legs: [0.0; 3],
            shoes: near(pick(rng, &SHOES), rng),
            bag: (
                pick(
                    rng,
                    &[
                        Bag::Nothing,
                        Bag::Nothing,
                        Bag::Backpack,
                        Bag::Backpack,
                        Bag::Shoulder(1.0),
                        Bag::Shoulder(-1.0),
                        Bag::Hand(1.0),
                        Bag::Hand(-1.0),
                    ],
                ),
                near(pick(rng, &BAGS), rng),
            ),
            top,
        }
        .with_legs(rng.random::<f32>() < 0.3)
    }

    fn with_legs(mut self, tights: bool) -> Self {
        self.legs = if tights && self.bottom.0 != BottomCut::Shorts { [0.10, 0.10, 0.11] } else { self.skin };
        self
    }
}

impl Fabric {
    /// The colour at `angle` around the body (0 is the front) and `around`, `along` in body heights; `t` runs from the
    /// shoulders (0) to the hem (1).
    pub(super) fn colour(&self, angle: f32, around: f32, along: f32, t: f32) -> Colour {
        let odd = |length: f32| super::canvas::phase(length, self.period) < 0.5;
        let back = angle.abs() > 2.2;
        let second = match self.pattern {
            Pattern::Plain => false,
            Pattern::Hoops => odd(along),
            Pattern::Stripes => odd(around),
            Pattern::Checks => odd(along) != odd(around),
            Pattern::Logo => angle.abs() < 0.5 && (0.22..0.45).contains(&t),
            Pattern::Band => (0.3..0.52).contains(&t),
            Pattern::Yoke => t < 0.3,
            Pattern::BackPrint => back && (0.15..0.6).contains(&t),
        };
        if second { self.second } else { self.first }
    }
}

fn top_cut(rng: &mut impl Rng) -> TopCut {
    use TopCut::{Coat, LongSleeves, OpenJacket, ShortSleeves, Sleeveless};
    pick(
        rng,
        &[Sleeveless, ShortSleeves, ShortSleeves, ShortSleeves, LongSleeves, LongSleeves, OpenJacket, OpenJacket, Coat],
    )
}

fn fabric(rng: &mut impl Rng, colours: &[Colour], patterned: f32) -> Fabric {
    use Pattern::{BackPrint, Band, Checks, Hoops, Logo, Plain, Stripes, Yoke};
    let patterns = [Hoops, Hoops, Stripes, Checks, Logo, Band, Yoke, BackPrint];
    let pattern = if rng.random::<f32>() < patterned { pick(rng, &patterns) } else { Plain };
    let (first, mut second) = (pick(rng, colours), pick(rng, colours));
    if first == second {
        // A pattern needs two colours: light on dark, dark on light.
        second = if super::canvas::luma(first) > 0.5 { [0.12, 0.13, 0.18] } else { [0.80, 0.80, 0.78] };
    }
    Fabric { pattern, first: near(first, rng), second: near(second, rng), period: rng.random_range(0.05..0.1) }
}

fn pick<T: Copy>(rng: &mut impl Rng, from: &[T]) -> T {
    from[rng.random_range(0..from.len())]
}

/// A shade of a colour: no two garments are dyed quite alike.
fn near(colour: Colour, rng: &mut impl Rng) -> Colour {
    let light = rng.random_range(0.9..1.1);
    colour.map(|value| (value * light + rng.random_range(-0.02..0.02)).clamp(0.02, 0.98))
}
