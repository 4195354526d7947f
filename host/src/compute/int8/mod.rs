//! Kernels for bulk embedding in int8 on this computer, to the bit those of a camera.
//!
//! `deja_firmware::kernels::reference` is the specification; what stands here computes the same numbers with vector
//! instructions. A layer's constants are packed once ([`Matrix`], [`Channelwise`]), then serve every picture. An
//! activation's values are kept as bytes q + 128, in rows with room around them ([`Layout`]) that holds its zero point, so
//! that no kernel knows of edges. Sums are taken modulo 2³², as the specification takes them.

mod layout;
mod pack;

pub use layout::{Halo, Layout, SLACK};
pub use pack::{Channelwise, Matrix, Order, interleaved};

use deja_firmware::kernels::{OutputRange, Summand, Window};

use super::simd::int8;

/// A convolution, a pointwise convolution (a window of 1×1) or a depthwise one: packed constants of type `C`.
#[derive(Debug)]
pub struct Windowed<'a, C> {
    /// Weights, biases, multipliers.
    pub constants: &'a C,
    /// Filter extents, step and padding.
    pub window: Window,
    /// Where results lie.
    pub range: OutputRange,
    /// What is read, and how it lies; its halo covers what the window reaches.
    pub input: (&'a [u8], Layout),
    /// What is written, and how it is to lie.
    pub output: (&'a mut [u8], Layout),
}

/// The sum of an activation and of a convolution of another: `deja_firmware::kernels::PointwiseAdd` for any window.
#[derive(Debug)]
pub struct ConvolutionAdd<'a> {
    /// The convolution, and where the sum goes.
    pub convolution: Windowed<'a, Matrix>,
    /// The other summand.
    pub summand: (&'a [u8], Layout),
    /// How it enters.
    pub rule: Summand,
}

/// An activation whose channels are scaled, perhaps added to another: `deja_firmware::kernels::ChannelScale` and
/// `ChannelScaleAdd` on rows with halos.
#[derive(Debug)]
pub struct Scale<'a> {
    /// What is scaled.
    pub input: (&'a [u8], Layout),
    /// One factor a channel, q + 128.
    pub gate: &'a [u8],
    /// Those of the input and of the gate.
    pub zero_points: [i8; 2],
    /// From the product to the output.
    pub multiplier: i32,
    /// What is added, and how it enters.
    pub summand: Option<(&'a [u8], Layout, Summand)>,
    /// Where results lie.
    pub range: OutputRange,
    /// What is written, and how it is to lie.
    pub output: (&'a mut [u8], Layout),
}

/// The sum of two activations: `deja_firmware::kernels::Add` on rows with halos.
#[derive(Debug)]
pub struct Add<'a> {
    /// Summands.
    pub inputs: [(&'a [u8], Layout); 2],
    /// Their scales in a common unit.
    pub factors: [i16; 2],
    /// What the zero points take away.
    pub bias: i32,
    /// From the common unit to the output.
    pub multiplier: i32,
    /// Where results lie.
    pub range: OutputRange,
    /// What is written, and how it is to lie.
    pub output: (&'a mut [u8], Layout),
}

/// The mean over all positions: `deja_firmware::kernels::GlobalAveragePool` on rows with halos.
#[derive(Debug)]
pub struct Pool<'a> {
    /// What is read, and how it lies.
    pub input: (&'a [u8], Layout),
    /// What the zero point takes away.
    pub bias: i32,
    /// From the sum to the output.
    pub multiplier: i32,
    /// Where results lie.
    pub range: OutputRange,
    /// `[channels]`
    pub output: &'a mut [u8],
}

/// One implementation of every kernel.
#[derive(Debug, Clone, Copy)]
pub struct Int8Kernels {
    /// `avx2`, `avx512`, `neon`, `dotprod`.
    pub name: &'static str,
    /// How constants must be packed for it.
    pub order: Order,
    /// Dense convolution.
    pub convolution: fn(Windowed<'_, Matrix>),
    /// Dense convolution and a sum.
    pub convolution_add: fn(ConvolutionAdd<'_>),
    /// The accumulators of a matrix on one row of values, of which any bytes may follow up to a multiple of four.
    pub accumulate: fn(&Matrix, &[u8], &mut Vec<i32>),
    /// Depthwise convolution.
    pub depthwise: fn(Windowed<'_, Channelwise>),
    /// Sum of two.
    pub add: fn(Add<'_>),
    /// Scaled channels.
    pub scale: fn(Scale<'_>),
    /// Mean over positions.
    pub pool: fn(Pool<'_>),
}

impl Int8Kernels {
    /// Every table this processor can run, slowest first.
    pub fn available() -> Vec<&'static Self> {
        let mut tables: Vec<&'static Self> = vec![];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                tables.push(&int8::avx2::KERNELS);
            }
            let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
            if wide && is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("avx512vnni") {
                tables.push(&int8::avx512::KERNELS);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            tables.push(&int8::neon::KERNELS);
            if std::arch::is_aarch64_feature_detected!("dotprod") {
                tables.push(&int8::dotprod::KERNELS);
            }
        }
        tables
    }

    /// The fastest table, or none where the processor has nothing or the environment variable `DEJA_SIMD` is `scalar`:
    /// then the specification itself must do. `DEJA_SIMD` may also name a table.
    pub fn best() -> Option<&'static Self> {
        select(std::env::var("DEJA_SIMD").ok().as_deref())
    }
}

fn select(wanted: Option<&str>) -> Option<&'static Int8Kernels> {
    let available = Int8Kernels::available();
    let named = available.iter().find(|kernels| Some(kernels.name) == wanted);
    match wanted {
        Some("scalar") => None,
        _ => named.or(available.last()).copied(),
    }
}

/// q + 128.
pub fn biased(q: i8) -> u8 {
    q.cast_unsigned() ^ 0x80
}

/// The q of q + 128.
pub fn unbiased(byte: u8) -> i8 {
    (byte ^ 0x80).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_can_force_a_table_or_the_specification() {
        assert!(select(Some("scalar")).is_none());
        for kernels in Int8Kernels::available() {
            assert_eq!(select(Some(kernels.name)).map(|kernels| kernels.name), Some(kernels.name));
        }
        assert_eq!(select(Some("abacus")).map(|k| k.name), select(None).map(|k| k.name));
    }

    #[test]
    fn bytes_are_values_plus_128() {
        assert_eq!([-128, -1, 0, 127].map(biased), [0, 127, 128, 255]);
        assert_eq!([0, 127, 128, 255].map(unbiased), [-128, -1, 0, 127]);
    }
}
