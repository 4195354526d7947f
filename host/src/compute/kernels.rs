//! The table of primitives: what each computes, on which shapes, and which implementation this processor gets.

use super::{scalar, simd};

/// C\[m,n\] = Σ_p A(m,p)·B\[p,n\], with A read through two strides so that one kernel serves the forward pass,
/// the weight gradient (A transposed) and the input gradient.
#[derive(Debug, Clone, Copy)]
pub struct Matmul<'a> {
    /// m: rows of A and C.
    pub rows: usize,
    /// n: columns of B and C.
    pub columns: usize,
    /// p: what is summed over.
    pub depth: usize,
    /// A(m,p) = `a[m·a_row + p·a_step]`
    pub a: &'a [f32],
    /// Distance between rows of A.
    pub a_row: usize,
    /// Distance between neighbours in a row of A.
    pub a_step: usize,
    /// `[depth, columns]`, contiguous.
    pub b: &'a [f32],
    /// Whether C is added to instead of overwritten.
    pub accumulate: bool,
}

impl Matmul<'_> {
    /// Panics unless A, B and the `c` values of C are long enough; kernels with raw pointers rely on it.
    pub(crate) fn check(&self, c: &[f32]) {
        assert!(self.b.len() >= self.depth * self.columns, "B is shorter than depth × columns");
        assert!(c.len() >= self.rows * self.columns, "C is shorter than rows × columns");
        if self.rows > 0 && self.depth > 0 {
            let last = (self.rows - 1) * self.a_row + (self.depth - 1) * self.a_step;
            assert!(last < self.a.len(), "A is shorter than its strides reach");
        }
    }
}

/// Where a square filter stands on a picture: `[height, width, channels]` → `[out_height, out_width, …]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels of the input.
    pub channels: usize,
    /// Extent of the filter.
    pub kernel: usize,
    /// Step in both directions.
    pub stride: usize,
    /// Zeros on every side.
    pub padding: usize,
}

impl Window {
    /// Rows of the output: ⌊(height + 2·padding − kernel) / stride⌋ + 1.
    pub fn out_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Columns of the output.
    pub fn out_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Values of the input.
    pub fn input_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Values of the output of a depthwise filter.
    pub fn output_len(&self) -> usize {
        self.out_height() * self.out_width() * self.channels
    }

    /// The taps of the filter that meet the input at output index `out` of an axis of `extent` values.
    pub(crate) fn taps(&self, out: usize, extent: usize) -> std::ops::Range<usize> {
        let start = out * self.stride;
        let first = self.padding.saturating_sub(start).min(self.kernel);
        let last = (extent + self.padding).saturating_sub(start).min(self.kernel);
        first..last.max(first)
    }

    /// The outputs along an axis of `extent` values for which all taps meet the input.
    pub(crate) fn inside(&self, extent: usize) -> std::ops::Range<usize> {
        let first = self.padding.div_ceil(self.stride);
        let end = if extent + self.padding < self.kernel {
            0
        } else {
            (extent + self.padding - self.kernel) / self.stride + 1
        };
        first..end
    }

    /// Panics unless the slices of one picture are long enough; kernels with raw pointers rely on it.
    pub(crate) fn check(&self, input: &[f32], weight: &[f32], output: &[f32]) {
        assert!(self.stride > 0 && self.kernel > 0 && self.padding < self.kernel, "impossible window {self:?}");
        assert!(self.height + 2 * self.padding >= self.kernel && self.width + 2 * self.padding >= self.kernel);
        assert!(input.len() >= self.input_len(), "the input is shorter than its window says");
        assert!(weight.len() >= self.kernel * self.kernel * self.channels, "the filter is too short");
        assert!(output.len() >= self.output_len(), "the output is shorter than its window says");
    }

    /// Panics unless the slices are long enough for a pool and every position of the window meets the picture.
    pub(crate) fn check_pool(&self, input: &[f32], output: &[f32]) {
        assert!(self.stride > 0 && self.kernel > 0 && self.padding < self.kernel, "impossible window {self:?}");
        assert!(self.height + 2 * self.padding >= self.kernel && self.width + 2 * self.padding >= self.kernel);
        assert!(self.height > 0 && self.width > 0 && self.channels > 0, "an empty picture {self:?}");
        assert!(input.len() >= self.input_len(), "the input is shorter than its window says");
        assert!(output.len() >= self.output_len(), "the output is shorter than its window says");
    }
}

/// y = min(max(z·scale + shift, low), high), scale and shift per channel: a batch norm and its activation.
#[derive(Debug, Clone, Copy)]
pub struct Affine<'a> {
    /// Per channel.
    pub scale: &'a [f32],
    /// Per channel.
    pub shift: &'a [f32],
    /// Lower clamp; −∞ without activation.
    pub low: f32,
    /// Upper clamp; +∞ for ReLU.
    pub high: f32,
}

impl Affine<'_> {
    /// Panics unless every slice holds whole rows of channels and both of one length.
    pub(crate) fn check(&self, one: &[f32], other: &[f32]) {
        assert!(!self.scale.is_empty() && self.scale.len() == self.shift.len(), "scale and shift differ in length");
        assert!(one.len() == other.len() && one.len().is_multiple_of(self.scale.len()), "rows are not whole");
    }
}

/// Per-channel sums that one pass adds to.
#[derive(Debug)]
pub struct Moments<'a> {
    /// Σ of the first quantity.
    pub first: &'a mut [f32],
    /// Σ of the second quantity.
    pub second: &'a mut [f32],
}

impl Moments<'_> {
    /// Panics unless there are whole rows of channels and a sum for each channel.
    pub(crate) fn check(&self, values: &[f32]) {
        let channels = self.first.len();
        assert!(channels > 0 && self.second.len() == channels, "sums differ in length");
        assert!(values.len().is_multiple_of(channels), "rows are not whole");
    }
}

/// How a gradient goes back through an [`Affine`]: its clamp, and ẑ = z·unit + offset, the normalized value.
#[derive(Debug, Clone, Copy)]
pub struct Pullback<'a> {
    /// What the forward pass did.
    pub affine: Affine<'a>,
    /// 1/√(σ² + ε) per channel.
    pub unit: &'a [f32],
    /// −μ·unit per channel.
    pub offset: &'a [f32],
}

impl Pullback<'_> {
    /// Panics unless every slice holds whole rows of channels and all of one length.
    pub(crate) fn check(&self, values: &[f32], gradient: &[f32], sums: &Moments) {
        self.affine.check(values, gradient);
        sums.check(values);
        let channels = self.affine.scale.len();
        let lengths = [self.unit.len(), self.offset.len(), sums.first.len()];
        assert!(lengths == [channels; 3], "coefficients differ in length");
    }
}

/// out = a·g + b·z + k, the factors per channel.
#[derive(Debug, Clone, Copy)]
pub struct Combination<'a> {
    /// Factor of g.
    pub a: &'a [f32],
    /// Factor of z.
    pub b: &'a [f32],
    /// Constant.
    pub k: &'a [f32],
}

impl Combination<'_> {
    /// Panics unless every slice holds whole rows of channels and all of one length.
    pub(crate) fn check(&self, g: &[f32], z: &[f32], out: &[f32]) {
        let channels = self.a.len();
        assert!(channels > 0 && self.b.len() == channels && self.k.len() == channels, "factors differ in length");
        assert!(g.len() == z.len() && g.len() == out.len() && g.len().is_multiple_of(channels), "rows are not whole");
    }
}

/// One implementation of every primitive.
#[derive(Debug, Clone, Copy)]
pub struct Kernels {
    /// `scalar`, `avx2`, `avx512`, `neon`.
    pub name: &'static str,
    /// [`Matmul`] into C, `[rows, columns]`.
    pub matmul: fn(&Matmul, &mut [f32]),
    /// y = x ∗ w per channel: input, weight `[k, k, c]`, output, of one picture.
    pub depthwise: fn(&Window, &[f32], &[f32], &mut [f32]),
    /// dx = dy ∗ᵀ w: gradient of the output, weight, gradient of the input (overwritten), of one picture.
    pub depthwise_input_gradient: fn(&Window, &[f32], &[f32], &mut [f32]),
    /// dw += x ⋆ dy: input, gradient of the output, gradient of the weight (added to), of one picture.
    pub depthwise_weight_gradient: fn(&Window, &[f32], &[f32], &mut [f32]),
    /// [`Affine`] from `[positions, channels]` into the same shape.
    pub affine: fn(&Affine, &[f32], &mut [f32]),
    /// Adds Σz and Σz² per channel.
    pub moments: fn(&[f32], Moments),
    /// Zeroes the gradient (second argument) where the clamp of z (first) is active; adds Σg and Σg·ẑ per channel.
    pub pull_back: fn(&Pullback, &[f32], &mut [f32], Moments),
    /// [`Combination`] of the gradient g and the values z, into out: the gradient through batch statistics.
    pub combine: fn(&Combination, &[f32], &[f32], &mut [f32]),
    /// y = max x per channel over the taps inside the picture: input, output, of one picture.
    pub max_pool: fn(&Window, &[f32], &mut [f32]),
    /// Input, gradient of the output, gradient of the input (overwritten): it goes to the first greatest of a window.
    pub max_pool_gradient: fn(&Window, &[f32], &[f32], &mut [f32]),
    /// out (+)= factor·x, one factor a channel: factors, x, out, whether it adds.
    pub scale: fn(&[f32], &[f32], &mut [f32], bool),
    /// Adds Σ a·b per channel to the last argument.
    pub dot: fn(&[f32], &[f32], &mut [f32]),
}

impl Kernels {
    /// The plain loops: the specification of all others.
    pub const SCALAR: Self = Self {
        name: "scalar",
        matmul: scalar::matmul::matmul,
        depthwise: scalar::depthwise::forward,
        depthwise_input_gradient: scalar::depthwise::input_gradient,
        depthwise_weight_gradient: scalar::depthwise::weight_gradient,
        affine: scalar::normalization::affine,
        moments: scalar::normalization::moments,
        pull_back: scalar::normalization::pull_back,
        combine: scalar::normalization::combine,
        max_pool: scalar::pooling::max_pool,
        max_pool_gradient: scalar::pooling::max_pool_gradient,
        scale: scalar::pooling::scale,
        dot: scalar::pooling::dot,
    };

    /// Every table this processor can run, slowest first.
    pub fn available() -> Vec<&'static Self> {
        let mut tables = vec![&Self::SCALAR];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                tables.push(&simd::avx2::KERNELS);
            }
            if is_x86_feature_detected!("avx512f") {
                tables.push(&simd::avx512::KERNELS);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            tables.push(&simd::neon::KERNELS);
        }
        tables
    }

    /// The fastest table, or the one named by the environment variable `DEJA_SIMD` if this processor has it.
    pub fn best() -> &'static Self {
        static BEST: std::sync::OnceLock<&'static Kernels> = std::sync::OnceLock::new();
        BEST.get_or_init(|| select(std::env::var("DEJA_SIMD").ok().as_deref()))
    }
}

fn select(wanted: Option<&str>) -> &'static Kernels {
    let available = Kernels::available();
    let fastest = available[available.len() - 1];
    let Some(name) = wanted else { return fastest };
    available.iter().find(|kernels| kernels.name == name).copied().unwrap_or_else(|| {
        let names: Vec<_> = available.iter().map(|kernels| kernels.name).collect();
        tracing::warn!("DEJA_SIMD={name} is not one of {names:?}; using {}", fastest.name);
        fastest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_can_force_a_table_and_a_wrong_name_falls_back() {
        assert_eq!(select(Some("scalar")).name, "scalar");
        assert_eq!(select(Some("abacus")).name, select(None).name);
    }

    #[test]
    fn taps_stop_at_the_border() {
        let window = Window { height: 5, width: 5, channels: 1, kernel: 3, stride: 2, padding: 1 };
        assert_eq!((window.out_height(), window.out_width()), (3, 3));
        assert_eq!([0, 1, 2].map(|out| window.taps(out, 5)), [1..3, 0..3, 0..2]);
        assert_eq!(window.inside(5), 1..2);
    }
}
