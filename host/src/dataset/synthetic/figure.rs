//! Draws a pedestrian: joints in space, turned and seen from above, as shapes from the farthest to the nearest.

use super::canvas::{Canvas, Colour, Point, Shape, Texture, scale};
use super::pedestrian::{Bag, BottomCut, Fabric, HairCut, Hat, Pedestrian, TopCut};

/// How somebody stands at one moment, and where in the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stance {
    /// Direction of walking: 0 faces the camera, π shows the back.
    pub(super) yaw: f32,
    /// Phase of the step, in radians.
    pub(super) stride: f32,
    /// How far legs and arms swing, in body heights.
    pub(super) swing: f32,
    /// Where the feet are.
    pub(super) feet: Point,
    /// Height of an average body in the picture.
    pub(super) size: f32,
    /// How steeply the camera looks down: 0 is level.
    pub(super) tilt: f32,
    /// Light from the left (−1) to the right (1).
    pub(super) light: f32,
}

/// What a part is covered with.
enum Cover<'a> {
    Plain(Colour),
    Cloth(&'a Fabric),
    /// The garment over the torso: turned with the body, maybe open in front.
    Torso,
}

/// A shape in the order of drawing: small `order` first.
struct Part<'a> {
    order: f32,
    shape: Shape,
    cover: Cover<'a>,
}

/// A point of the body in the picture, with its nearness to the camera and magnification.
struct Joint {
    at: Point,
    near: f32,
    zoom: f32,
}

struct Figure<'a> {
    person: &'a Pedestrian,
    stance: &'a Stance,
    parts: Vec<Part<'a>>,
}

/// Parts attached to the torso are ordered around this; legs are always behind it.
const TORSO: f32 = 1.0;

/// Draws `person` over the canvas; `folds` shades the cloth.
pub(super) fn draw(canvas: &mut Canvas, person: &Pedestrian, stance: &Stance, folds: &Texture) {
    let mut figure = Figure { person, stance, parts: Vec::with_capacity(32) };
    for side in [1.0, -1.0] {
        figure.leg(side);
        figure.arm(side);
    }
    figure.trunk();
    figure.bag();
    figure.head();
    let Figure { mut parts, .. } = figure;
    let turned = Turned::new(stance.yaw);
    parts.sort_by(|a, b| a.order.total_cmp(&b.order));
    for part in &parts {
        canvas.paint(&part.shape, 1.0, |s, t| {
            let fold = folds.at(s * 1.7 + part.order * 5.0, t * 5.0);
            let shade = 1.0 - 0.25 * s * s + 0.2 * stance.light * s + 0.07 * fold;
            scale(colour(&part.cover, person, &turned, s, t), shade)
        });
    }
}

fn colour(cover: &Cover, person: &Pedestrian, turned: &Turned, s: f32, t: f32) -> Colour {
    match cover {
        Cover::Plain(colour) => *colour,
        Cover::Cloth(fabric) => fabric.colour(1.0, turned.bend(s) * 0.04, t * 0.22, 0.1),
        Cover::Torso => {
            let angle = turned.angle(s);
            let (cut, fabric) = &person.top;
            let gap = if *cut == TopCut::OpenJacket { 0.42 } else { 0.3 };
            let open = matches!(cut, TopCut::OpenJacket | TopCut::Coat) && angle.abs() < gap;
            let length = if *cut == TopCut::Coat { 0.48 } else { 0.34 };
            if open { person.undershirt } else { fabric.colour(angle, angle * 0.1, t * length, t * length / 0.34) }
        }
    }
}

/// Angles around a turned body, in steps across it: `asin` and `atan2` are too slow for every pixel.
struct Turned {
    bends: [f32; STEPS + 1],
    angles: [f32; STEPS + 1],
}

const STEPS: usize = 64;

impl Turned {
    fn new(yaw: f32) -> Self {
        let bends = std::array::from_fn(|i| (i as f32 / (STEPS / 2) as f32 - 1.0).asin());
        let angles = bends.map(|bend: f32| {
            let (sin, cos) = (bend - yaw).sin_cos();
            sin.atan2(cos)
        });
        Self { bends, angles }
    }

    fn step(s: f32) -> usize {
        ((s + 1.0) * (STEPS / 2) as f32 + 0.5).clamp(0.0, STEPS as f32) as usize
    }

    /// The angle from the middle of what is seen, at `s` from −1 to 1 across.
    fn bend(&self, s: f32) -> f32 {
        self.bends[Self::step(s)]
    }

    /// The angle from the front of the body, −π to π.
    fn angle(&self, s: f32) -> f32 {
        self.angles[Self::step(s)]
    }
}

impl<'a> Figure<'a> {
    /// Projects a point: `x` to the body's left, `y` up from the ground, `z` ahead, in body heights.
    fn joint(&self, [x, y, z]: [f32; 3]) -> Joint {
        let Stance { yaw, feet, size, tilt, .. } = *self.stance;
        let (sin, cos) = yaw.sin_cos();
        let (across, near) = (x * cos + z * sin, z * cos - x * sin);
        let body = size * self.person.stature;
        let zoom = body * (1.0 + tilt * (y - 0.5));
        let up = y + tilt * 0.5 * y * (1.0 - y) - tilt * near;
        Joint { at: [feet[0] + zoom * across, feet[1] - body * up], near, zoom }
    }

    /// Half the width that a body part with these half axes (across, ahead) shows.
    fn breadth(&self, across: f32, ahead: f32) -> f32 {
        let (sin, cos) = self.stance.yaw.sin_cos();
        ((across * cos).powi(2) + (ahead * sin).powi(2)).sqrt()
    }

    fn add(&mut self, order: f32, shape: Shape, cover: Cover<'a>) {
        self.parts.push(Part { order, shape, cover });
    }

    /// A stroke between two points of the body; returns how near it is.
    fn limb(&mut self, from: [f32; 3], to: [f32; 3], radii: [f32; 2], base: f32, spread: f32, cover: Cover<'a>) {
        let (a, b) = (self.joint(from), self.joint(to));
        let shape = Shape::Limb { from: a.at, to: b.at, radii: [radii[0] * a.zoom, radii[1] * b.zoom] };
        self.add(base + spread * (a.near + b.near) / 2.0, shape, cover);
    }

    /// An upright box around the body's axis or beside it, between two heights.
    fn slab(&mut self, middle: [f32; 2], heights: [f32; 2], half: [f32; 2], round: f32, order: f32, cover: Cover<'a>) {
        let (top, bottom) =
            (self.joint([middle[0], heights[0], middle[1]]), self.joint([middle[0], heights[1], middle[1]]));
        let shape = Shape::Slab {
            top: top.at,
            bottom: bottom.at,
            half: [half[0] * top.zoom, half[1] * bottom.zoom],
            round: round * top.zoom,
        };
        self.add(order, shape, cover);
    }

    fn oval(&mut self, centre: [f32; 3], radii: [f32; 2], order: f32, cover: Cover<'a>) {
        let joint = self.joint(centre);
        self.add(order, Shape::Oval { centre: joint.at, radii: radii.map(|radius| radius * joint.zoom) }, cover);
    }

    fn leg(&mut self, side: f32) {
        let person = self.person;
        let (cut, fabric) = &person.bottom;
        let step = side * self.stance.swing * self.stance.stride.sin();
        let lift = (side * self.stance.stride.cos()).max(0.0) * self.stance.swing * 0.25;
        let hip = 0.052 * person.build * person.hips;
        let (knee, ankle) = ([side * hip * 0.95, 0.27, step * 0.55], [side * hip * 0.85, 0.045 + lift, step]);
        let girth = person.build;
        let covered = |shown: bool| if shown { Cover::Plain(person.legs) } else { Cover::Cloth(fabric) };
        let (thigh, shin) = match cut {
            BottomCut::Trousers => (false, false),
            BottomCut::Shorts => (false, true),
            BottomCut::Skirt | BottomCut::LongSkirt => (true, true),
        };
        self.limb([side * hip, 0.49, 0.0], knee, [0.056 * girth, 0.042 * girth], 0.01, 0.1, covered(thigh));
        let shin_radii = if shin { [0.036 * girth, 0.024 * girth] } else { [0.041 * girth, 0.032 * girth] };
        self.limb(knee, ankle, shin_radii, 0.0, 0.1, covered(shin));
        let toe = [ankle[0] * 1.15, ankle[1] - 0.028, step + 0.075];
        let heel = [ankle[0], ankle[1] - 0.022, step - 0.01];
        self.limb(heel, toe, [0.027, 0.022], -0.01, 0.1, Cover::Plain(person.shoes));
    }

    fn arm(&mut self, side: f32) {
        let person = self.person;
        let swing = -side * self.stance.swing * self.stance.stride.sin() * 0.8;
        let reach = 0.104 * person.build.sqrt();
        let (shoulder, elbow) =
            ([side * reach * 0.95, 0.79, 0.0], [side * (reach + 0.018), 0.645, swing * 0.35 - 0.01]);
        let wrist = [side * (reach + 0.015), 0.51, swing + 0.02];
        let (cut, fabric) = &person.top;
        let sleeve = |covered: bool| if covered { Cover::Cloth(fabric) } else { Cover::Plain(person.skin) };
        let (upper, lower) = match cut {
            TopCut::Sleeveless => (false, false),
            TopCut::ShortSleeves => (true, false),
            TopCut::LongSleeves | TopCut::OpenJacket | TopCut::Coat => (true, true),
        };
        let girth = person.build.sqrt() * if lower { 1.15 } else { 1.0 };
        self.limb(shoulder, elbow, [0.037 * girth, 0.031 * girth], TORSO, 1.0, sleeve(upper));
        self.limb(elbow, wrist, [0.028 * girth, 0.022 * girth], TORSO - 0.002, 1.0, sleeve(lower));
        let hand = [wrist[0], wrist[1] - 0.025, wrist[2] + 0.005];
        self.limb(wrist, hand, [0.019, 0.018], TORSO - 0.003, 1.0, Cover::Plain(person.skin));
    }

    fn trunk(&mut self) {
        let person = self.person;
        let (build, hips) = (person.build, person.build * person.hips);
        let hip = self.breadth(0.1 * hips, 0.07 * build);
        let (bottom, fabric) = &person.bottom;
        self.slab([0.0; 2], [0.56, 0.44], [hip * 0.92, hip], 0.03, 0.5, Cover::Cloth(fabric));
        let skirt = match bottom {
            BottomCut::Skirt => Some((0.31, 1.25)),
            BottomCut::LongSkirt => Some((0.14, 1.3)),
            BottomCut::Trousers | BottomCut::Shorts => None,
        };
        if let Some((hem, flare)) = skirt {
            self.slab([0.0; 2], [0.55, hem], [hip * 0.92, hip * flare], 0.008, 0.6, Cover::Cloth(fabric));
        }
        let shoulders = self.breadth(0.122 * build.sqrt(), 0.068 * build);
        let (hem, width) = if person.top.0 == TopCut::Coat { (0.36, hip * 1.12) } else { (0.49, hip * 0.97) };
        self.slab([0.0; 2], [0.835, hem], [shoulders, width], 0.045, TORSO, Cover::Torso);
        let slope = self.breadth(0.075 * build.sqrt(), 0.04);
        self.slab(
            [0.0; 2],
            [0.86, 0.81],
            [slope * 0.45, slope * 1.3],
            0.012,
            TORSO + 0.0005,
            Cover::Cloth(&person.top.1),
        );
        self.limb([0.0, 0.88, 0.0], [0.0, 0.83, 0.0], [0.026, 0.034], TORSO + 0.001, 0.0, Cover::Plain(person.skin));
    }

    fn bag(&mut self) {
        let person = self.person;
        let (bag, paint) = person.bag;
        let cover = || Cover::Plain(paint);
        match bag {
            Bag::Nothing => {}
            Bag::Backpack => {
                let half = self.breadth(0.088, 0.05);
                let near = -0.1 * self.stance.yaw.cos();
                self.slab([0.0, -0.1], [0.83, 0.55], [half * 0.85, half], 0.035, TORSO + near, cover());
                let pocket = self.breadth(0.06, 0.055);
                let dark = Cover::Plain(scale(paint, 0.7));
                self.slab([0.0, -0.11], [0.66, 0.58], [pocket, pocket], 0.012, TORSO + near * 1.1, dark);
                for side in [0.065, -0.065] {
                    let strap = [[side, 0.845, 0.05], [side * 1.1, 0.64, 0.075]];
                    self.limb(strap[0], strap[1], [0.012, 0.012], TORSO, 0.8, cover());
                }
            }
            Bag::Shoulder(side) => {
                let half = self.breadth(0.04, 0.085);
                let near = -side * 0.15 * self.stance.yaw.sin();
                self.slab([side * 0.135, -0.01], [0.54, 0.41], [half, half * 1.1], 0.015, TORSO + 0.01 + near, cover());
                for front in [0.072, -0.072] {
                    let strap = [[-side * 0.07, 0.845, front * 0.5], [side * 0.125, 0.53, front]];
                    self.limb(strap[0], strap[1], [0.009, 0.009], TORSO, 0.8, cover());
                }
            }
            Bag::Hand(side) => {
                let swing = -side * self.stance.swing * self.stance.stride.sin() * 0.8;
                let x = side * (0.104 * person.build.sqrt() + 0.015);
                let half = self.breadth(0.03, 0.075);
                let near = swing * self.stance.yaw.cos() - x * self.stance.yaw.sin();
                self.slab([x, swing], [0.455, 0.33], [half * 0.9, half], 0.012, TORSO - 0.004 + near, cover());
            }
        }
    }

    fn head(&mut self) {
        let person = self.person;
        let facing = self.stance.yaw.cos();
        let (cut, hair) = person.hair;
        let base = TORSO + 0.2;
        let crown = if cut == HairCut::Bald { person.skin } else { hair };
        if cut == HairCut::Long {
            let order = if facing > 0.0 { TORSO - 0.15 } else { base + 0.05 };
            self.slab([0.0, -0.03], [0.96, 0.79], [0.05, 0.06], 0.03, order, Cover::Plain(hair));
        }
        if cut == HairCut::Bun {
            self.oval([0.0, 0.965, -0.055], [0.026, 0.026], base - 0.05 * facing, Cover::Plain(hair));
        }
        let volume = if cut == HairCut::Full { 1.18 } else { 1.0 };
        self.oval([0.0, 0.932, -0.004], [0.051 * volume, 0.066 * volume], base, Cover::Plain(crown));
        if facing > -0.4 {
            let width = 0.044 * (0.55 + 0.45 * facing.max(0.0));
            self.oval([0.0, 0.918, 0.02], [width, 0.052], base + 0.01, Cover::Plain(person.skin));
            for side in [0.017, -0.017] {
                let near = self.joint([side, 0.925, 0.05]).near;
                if near > 0.025 {
                    self.oval([side, 0.925, 0.04], [0.007, 0.005], base + 0.012, Cover::Plain([0.12, 0.09, 0.08]));
                }
            }
        }
        self.hat(base);
    }

    fn hat(&mut self, base: f32) {
        let (hat, colour) = self.person.hat;
        match hat {
            Hat::Bare => {}
            Hat::Cap => {
                self.slab([0.0, 0.0], [1.005, 0.948], [0.042, 0.054], 0.022, base + 0.02, Cover::Plain(colour));
                let brim = Cover::Plain(scale(colour, 0.8));
                self.limb([0.0, 0.95, 0.04], [0.0, 0.945, 0.085], [0.02, 0.014], base + 0.021, 0.02, brim);
            }
            Hat::Beanie => {
                self.slab([0.0, -0.005], [1.02, 0.938], [0.04, 0.056], 0.03, base + 0.02, Cover::Plain(colour));
            }
            Hat::Hood => {
                let hood = self.person.top.1.first;
                let order = if self.stance.yaw.cos() > -0.2 { base - 0.01 } else { base + 0.02 };
                self.oval([0.0, 0.925, -0.012], [0.066, 0.084], order, Cover::Plain(hood));
            }
        }
    }
}
