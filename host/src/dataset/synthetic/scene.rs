//! What a camera sees besides the pedestrian: wall and ground, shadows, and things in the way.

use super::canvas::{ASPECT, Canvas, Colour, Point, Shape, Texture, mix, phase, scale};
use rand::{Rng, RngExt};

/// The place a camera looks at, wider than any picture: shots see different stretches of it.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    wall: Colour,
    trim: Colour,
    ground: Colour,
    joints: Colour,
    /// Where wall meets ground.
    horizon: f32,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Bricks,
    Windows,
    Greenery,
    Panels,
}

const WALLS: [Colour; 6] = [
    [0.58, 0.50, 0.44],
    [0.66, 0.66, 0.64],
    [0.48, 0.34, 0.28],
    [0.42, 0.45, 0.50],
    [0.74, 0.70, 0.60],
    [0.34, 0.36, 0.36],
];
const GROUNDS: [Colour; 5] =
    [[0.46, 0.46, 0.45], [0.60, 0.58, 0.54], [0.36, 0.37, 0.39], [0.52, 0.46, 0.40], [0.66, 0.66, 0.66]];

impl Scene {
    /// Draws a camera's place. Neighbouring cameras look at different kinds of places.
    pub(super) fn new(camera: u32, rng: &mut impl Rng) -> Self {
        let kinds = [Kind::Bricks, Kind::Greenery, Kind::Windows, Kind::Panels];
        let kind = kinds[(camera as usize + rng.random_range(0..2)) % kinds.len()];
        let wall = match kind {
            Kind::Greenery => [0.24, 0.34, 0.18],
            _ => WALLS[rng.random_range(0..WALLS.len())],
        };
        let ground = GROUNDS[rng.random_range(0..GROUNDS.len())];
        Self {
            wall,
            trim: scale(wall, rng.random_range(0.45..0.8)),
            ground,
            joints: scale(ground, rng.random_range(0.75..0.92)),
            horizon: rng.random_range(0.22..0.5),
            kind,
        }
    }

    /// The empty place, `along` heights from its beginning; `grain` is the shot's own dirt and leaves.
    pub(super) fn canvas(&self, along: f32, grain: &Texture) -> Canvas {
        Canvas::new(|[x, y]| {
            let x = x + along;
            let rough = 1.0 + 0.09 * grain.at(x * 9.0, y * 9.0) + 0.05 * grain.at(x * 41.0 + 5.0, y * 41.0);
            let colour = if y < self.horizon { self.wall(x, y, grain) } else { self.ground(x, y) };
            scale(colour, rough)
        })
    }

    fn wall(&self, x: f32, y: f32, grain: &Texture) -> Colour {
        let within = |value: f32, period: f32, share: f32| phase(value, period) < share;
        match self.kind {
            Kind::Bricks => {
                let row = ((y / 0.045) as i32) as f32;
                let joint = within(y, 0.045, 0.14) || within(x + row * 0.06, 0.12, 0.06);
                if joint { self.trim } else { scale(self.wall, 0.9 + 0.1 * phase(row, 1.7)) }
            }
            Kind::Windows => {
                let window = within(x, 0.36, 0.62) && y > 0.04 && y < self.horizon - 0.07;
                if window {
                    mix([0.16, 0.20, 0.25], [0.55, 0.62, 0.68], phase(y * 2.0 + x, 1.0) * 0.6)
                } else {
                    self.wall
                }
            }
            Kind::Greenery => {
                let leaves = grain.at(x * 17.0, y * 17.0) + 0.6 * grain.at(x * 31.0 + 3.0, y * 31.0);
                scale(self.wall, 1.0 + 0.35 * leaves)
            }
            Kind::Panels => {
                if within(x, 0.27, 0.05) || within(y + 0.02, 0.2, 0.05) {
                    self.trim
                } else {
                    self.wall
                }
            }
        }
    }

    /// Paving whose joints close up towards the horizon.
    fn ground(&self, x: f32, y: f32) -> Colour {
        let depth = (y - self.horizon + 0.06) / (1.0 - self.horizon);
        let near = 1.0 / depth;
        let row = phase(near * 1.6, 1.0) < 0.09;
        let column = phase((x - 0.4) * near * 2.2, 1.0) < 0.05;
        let base = if row || column { self.joints } else { self.ground };
        scale(base, 0.82 + 0.25 * depth.min(1.0))
    }
}

/// A soft dark spot on the ground.
pub(super) fn contact_shadow(canvas: &mut Canvas, feet: Point, size: f32, light: f32) {
    for (spread, opacity) in [(1.0, 0.22), (0.7, 0.25), (0.45, 0.25)] {
        let centre = [feet[0] - light * 0.05 * size * spread, feet[1] - 0.012 * size];
        let radii = [0.17 * size * spread, 0.03 * size * spread];
        canvas.paint(&Shape::Oval { centre, radii }, opacity, |_, _| [0.05, 0.05, 0.06]);
    }
}

/// The shadow of something outside the picture falls across it.
pub(super) fn cast_shadow(canvas: &mut Canvas, rng: &mut impl Rng) {
    let from = [rng.random_range(-0.1..ASPECT + 0.1), -0.1];
    let to = [rng.random_range(-0.1..ASPECT + 0.1), 1.1];
    let radius = rng.random_range(0.08..0.25);
    let strength = rng.random_range(0.25..0.5);
    canvas.paint(&Shape::Limb { from, to, radii: [radius, radius * 1.3] }, strength, |_, _| [0.06, 0.07, 0.10]);
}

/// Puts something between camera and pedestrian.
pub(super) fn occlude(canvas: &mut Canvas, grain: &Texture, rng: &mut impl Rng) {
    let x = rng.random_range(0.02..ASPECT - 0.02);
    match rng.random_range(0..4) {
        0 => {
            let width = rng.random_range(0.012..0.035);
            let grey = rng.random_range(0.2..0.6);
            let pole = Shape::Limb { from: [x, -0.1], to: [x, 1.1], radii: [width, width] };
            canvas.paint(&pole, 1.0, |s, _| [grey * (1.0 - 0.3 * s.abs()); 3]);
        }
        1 => bush(canvas, x, grain, rng),
        2 => parked_car(canvas, rng),
        _ => railing(canvas, rng),
    }
}

fn bush(canvas: &mut Canvas, x: f32, grain: &Texture, rng: &mut impl Rng) {
    for _ in 0..4 {
        let centre = [x + rng.random_range(-0.12..0.12), rng.random_range(0.82..1.05)];
        let radii = [rng.random_range(0.07..0.13), rng.random_range(0.08..0.16)];
        canvas.paint(&Shape::Oval { centre, radii }, 1.0, |s, t| {
            scale([0.20, 0.33, 0.15], 0.9 - 0.25 * t + 0.3 * grain.at(s * 5.0 + centre[0] * 40.0, t * 5.0))
        });
    }
}

fn parked_car(canvas: &mut Canvas, rng: &mut impl Rng) {
    let paints = [[0.75, 0.76, 0.78], [0.12, 0.13, 0.15], [0.50, 0.10, 0.10], [0.18, 0.26, 0.45]];
    let paint: Colour = paints[rng.random_range(0..paints.len())];
    let (top, left) = (rng.random_range(0.72..0.86), rng.random_range(0.0..0.35));
    let slab = Shape::Slab { top: [left, top], bottom: [left - 0.03, 1.1], half: [0.22, 0.3], round: 0.05 };
    canvas.paint(&slab, 1.0, |_, t| scale(paint, 1.15 - 0.7 * t));
}

fn railing(canvas: &mut Canvas, rng: &mut impl Rng) {
    let top = rng.random_range(0.6..0.8);
    let grey = rng.random_range(0.25..0.6);
    for y in [top, top + 0.09, top + 0.18] {
        let bar = Shape::Limb { from: [-0.1, y], to: [ASPECT + 0.1, y + 0.02], radii: [0.008, 0.008] };
        canvas.paint(&bar, 1.0, |_, _| [grey; 3]);
    }
    let mut x = rng.random_range(0.0..0.2);
    while x < ASPECT {
        let post = Shape::Limb { from: [x, top], to: [x, 1.1], radii: [0.01, 0.01] };
        canvas.paint(&post, 1.0, |_, _| [grey * 0.9; 3]);
        x += 0.23;
    }
}
