//! A small painter: shapes with smooth edges, laid over each other in floating point.

use rand::{Rng, RngExt};

/// Rows of the canvas. Pictures are scaled from it, usually down.
pub(super) const HEIGHT: usize = 192;
/// Columns of the canvas.
pub(super) const WIDTH: usize = 96;
/// Width over height: positions run from 0 to `ASPECT` across and from 0 to 1 down.
pub(super) const ASPECT: f32 = WIDTH as f32 / HEIGHT as f32;

/// Red, green and blue, as displayed: 0 is black, 1 is full.
pub(super) type Colour = [f32; 3];
/// Across and down, in heights of the canvas.
pub(super) type Point = [f32; 2];

/// `a` at 0, `b` at 1.
pub(super) fn mix(a: Colour, b: Colour, at: f32) -> Colour {
    [0, 1, 2].map(|c| a[c] + (b[c] - a[c]) * at)
}

/// Multiplies all channels.
pub(super) fn scale(colour: Colour, by: f32) -> Colour {
    colour.map(|value| value * by)
}

/// Brightness, by ITU-R BT.601.
pub(super) fn luma([r, g, b]: Colour) -> f32 {
    0.299 * r + 0.587 * g + 0.114 * b
}

/// The largest whole number not above `x`, and the rest. A cast, because `floor` is a call on old processors.
fn split(x: f32) -> (i32, f32) {
    let whole = x as i32 - i32::from(x < 0.0);
    (whole, x - whole as f32)
}

/// How far `x` is into its period, 0 to 1.
pub(super) fn phase(x: f32, period: f32) -> f32 {
    split(x / period).1
}

/// What can be painted. Inside, a point has coordinates `(s, t)`: `s` across from −1 to 1, `t` along from 0 to 1 (for an
/// oval from −1 to 1).
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A stroke whose thickness changes from end to end.
    Limb { from: Point, to: Point, radii: [f32; 2] },
    /// An ellipse.
    Oval { centre: Point, radii: [f32; 2] },
    /// An upright trapezium with rounded corners: half widths and middles at its top and bottom.
    Slab { top: Point, bottom: Point, half: [f32; 2], round: f32 },
}

impl Shape {
    /// Left, top, right, bottom.
    fn bounds(&self) -> [f32; 4] {
        let around = |a: Point, b: Point, rx: f32, ry: f32| {
            [a[0].min(b[0]) - rx, a[1].min(b[1]) - ry, a[0].max(b[0]) + rx, a[1].max(b[1]) + ry]
        };
        match *self {
            Self::Limb { from, to, radii } => around(from, to, radii[0].max(radii[1]), radii[0].max(radii[1])),
            Self::Oval { centre, radii } => around(centre, centre, radii[0], radii[1]),
            Self::Slab { top, bottom, half, .. } => around(top, bottom, half[0].max(half[1]), 0.0),
        }
    }

    /// Distance to the edge (negative inside), and `(s, t)`.
    fn locate(&self, [x, y]: Point) -> (f32, f32, f32) {
        match *self {
            Self::Limb { from, to, radii } => {
                let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
                let length = (dx * dx + dy * dy).max(1e-9);
                let (px, py) = (x - from[0], y - from[1]);
                let t = ((px * dx + py * dy) / length).clamp(0.0, 1.0);
                let radius = radii[0] + (radii[1] - radii[0]) * t;
                let (ox, oy) = (px - dx * t, py - dy * t);
                let away = (ox * ox + oy * oy).sqrt();
                let side = if px * dy - py * dx > 0.0 { 1.0 } else { -1.0 };
                (away - radius, side * (away / radius).min(1.0), t)
            }
            Self::Oval { centre, radii } => {
                let (s, t) = ((x - centre[0]) / radii[0], (y - centre[1]) / radii[1]);
                let k = (s * s + t * t).sqrt();
                let slope = ((s / radii[0]).powi(2) + (t / radii[1]).powi(2)).sqrt().max(1e-6);
                (k * (k - 1.0) / slope, s, t)
            }
            Self::Slab { top, bottom, half, round } => {
                let height = (bottom[1] - top[1]).max(1e-6);
                let t = ((y - top[1]) / height).clamp(0.0, 1.0);
                let width = half[0] + (half[1] - half[0]) * t;
                let across = x - (top[0] + (bottom[0] - top[0]) * t);
                let out_x = across.abs() - (width - round);
                let out_y = (y - (top[1] + bottom[1]) / 2.0).abs() - (height / 2.0 - round);
                let (ox, oy) = (out_x.max(0.0), out_y.max(0.0));
                let distance = (ox * ox + oy * oy).sqrt() + out_x.max(out_y).min(0.0) - round;
                (distance, (across / width.max(1e-6)).clamp(-1.0, 1.0), t)
            }
        }
    }
}

/// The picture in the making: `[HEIGHT, WIDTH]` colours.
pub(super) struct Canvas {
    pub(super) pixels: Vec<Colour>,
}

impl Canvas {
    /// Starts with a background: a colour for each position.
    pub(super) fn new(mut colour: impl FnMut(Point) -> Colour) -> Self {
        let pixels = (0..HEIGHT * WIDTH).map(|i| colour(position(i % WIDTH, i / WIDTH))).collect();
        Self { pixels }
    }

    /// Lays a shape over what is there; `colour` is asked with `(s, t)`.
    pub(super) fn paint(&mut self, shape: &Shape, opacity: f32, colour: impl Fn(f32, f32) -> Colour) {
        let [left, top, right, bottom] = shape.bounds().map(|edge| edge * HEIGHT as f32);
        let range = |from: f32, to: f32, side: usize| {
            let clamp = |value: f32| value.clamp(0.0, side as f32) as usize;
            clamp((from - 1.0).floor())..clamp((to + 1.0).ceil())
        };
        for y in range(top, bottom, HEIGHT) {
            for x in range(left, right, WIDTH) {
                let (distance, s, t) = shape.locate(position(x, y));
                let coverage = (0.5 - distance * HEIGHT as f32).clamp(0.0, 1.0) * opacity;
                if coverage > 0.0 {
                    let pixel = &mut self.pixels[y * WIDTH + x];
                    *pixel = mix(*pixel, colour(s, t), coverage);
                }
            }
        }
    }

    /// Averages over `2 · radius + 1` pixels in both directions.
    pub(super) fn blur(&mut self, radius: usize) {
        if radius > 0 {
            let across = blurred(&self.pixels, WIDTH, HEIGHT, [1, WIDTH], radius);
            self.pixels = blurred(&across, HEIGHT, WIDTH, [WIDTH, 1], radius);
        }
    }
}

/// The middle of a pixel.
fn position(x: usize, y: usize) -> Point {
    [(x as f32 + 0.5) / HEIGHT as f32, (y as f32 + 0.5) / HEIGHT as f32]
}

/// A running mean along `count` lines of `length` pixels; strides step along a line and from line to line.
fn blurred(pixels: &[Colour], length: usize, count: usize, strides: [usize; 2], radius: usize) -> Vec<Colour> {
    let mut out = vec![[0.0; 3]; pixels.len()];
    let weight = 1.0 / (2 * radius + 1) as f32;
    for line in 0..count {
        let at = |i: isize| line * strides[1] + i.clamp(0, length as isize - 1) as usize * strides[0];
        let radius = radius as isize;
        let mut sum = [0.0; 3];
        for i in -radius..=radius {
            sum = [0, 1, 2].map(|c| sum[c] + pixels[at(i)][c]);
        }
        for i in 0..length as isize {
            out[at(i)] = scale(sum, weight);
            let (enters, leaves) = (pixels[at(i + radius + 1)], pixels[at(i - radius)]);
            sum = [0, 1, 2].map(|c| sum[c] + enters[c] - leaves[c]);
        }
    }
    out
}

/// Smooth random values that repeat: the grain of walls, ground and cloth.
pub(super) struct Texture {
    values: [f32; GRID * GRID],
}

const GRID: usize = 16;

impl Texture {
    /// Draws the values.
    pub(super) fn new(rng: &mut impl Rng) -> Self {
        Self { values: std::array::from_fn(|_| rng.random::<f32>() * 2.0 - 1.0) }
    }

    /// The value at a point, −1 to 1; it changes over distances of about 1.
    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        let ((x, dx), (y, dy)) = (split(x), split(y));
        let wrap = |at: i32| at as usize % GRID;
        let (x0, x1, y0, y1) = (wrap(x), wrap(x + 1), wrap(y) * GRID, wrap(y + 1) * GRID);
        let line = |y: usize| self.values[y + x0] + (self.values[y + x1] - self.values[y + x0]) * dx;
        line(y0) + (line(y1) - line(y0)) * dy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_covers_its_area() {
        let area = |shape: Shape| {
            let mut canvas = Canvas::new(|_| [0.0; 3]);
            canvas.paint(&shape, 1.0, |_, _| [1.0; 3]);
            canvas.pixels.iter().map(|pixel| pixel[0]).sum::<f32>() / (HEIGHT * HEIGHT) as f32
        };
        let oval = area(Shape::Oval { centre: [0.25, 0.5], radii: [0.1, 0.2] });
        assert!((oval - std::f32::consts::PI * 0.02).abs() < 1e-3, "{oval}");
        let slab = area(Shape::Slab { top: [0.2, 0.2], bottom: [0.3, 0.6], half: [0.1, 0.1], round: 0.0 });
        assert!((slab - 0.08).abs() < 1e-3, "{slab}");
        let limb = area(Shape::Limb { from: [0.2, 0.3], to: [0.2, 0.7], radii: [0.05, 0.05] });
        assert!((limb - (0.04 + std::f32::consts::PI * 0.0025)).abs() < 1e-3, "{limb}");
        assert_eq!(area(Shape::Oval { centre: [9.0, -7.0], radii: [0.1, 0.2] }), 0.0);
    }

    #[test]
    fn blur_keeps_a_constant_and_spreads_a_point() {
        let mut canvas = Canvas::new(|_| [0.25; 3]);
        canvas.blur(3);
        assert!(canvas.pixels.iter().all(|pixel| (pixel[0] - 0.25).abs() < 1e-4));
        let mut canvas = Canvas::new(|_| [0.0; 3]);
        canvas.pixels[90 * WIDTH + 40] = [9.0; 3];
        canvas.blur(1);
        assert!((canvas.pixels[89 * WIDTH + 41][1] - 1.0).abs() < 1e-4);
        assert!(canvas.pixels[92 * WIDTH + 40][1].abs() < 1e-4);
    }
}
