//! Vectorized kernels, written once over [`lanes::Lanes`] and compiled for each instruction set.
//!
//! The generic functions in `matmul`, `depthwise`, `normalization` and `pooling` are `unsafe` because they read through raw
//! pointers and because their caller must have the instruction set. Both are settled in one place: the safe functions
//! that [`instantiate!`] makes check every length, and [`super::Kernels::available`] lists a table only where the
//! processor has been asked.

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
mod depthwise;
pub mod int8;
mod lanes;
mod matmul;
#[cfg(target_arch = "aarch64")]
pub mod neon;
mod normalization;
mod pooling;
#[cfg(test)]
mod twins;

/// A table `KERNELS` named `$name` over the lanes `$lanes`, which need the target features `$features`.
macro_rules! instantiate {
    ($name:literal, $lanes:ty, $features:literal) => {
        instantiate! { @functions $lanes, $features,
            fn matmul(job: &Matmul, c: &mut [f32]) = matmul::matmul, if job.check(c);
            fn depthwise(window: &Window, input: &[f32], weight: &[f32], output: &mut [f32])
                = depthwise::forward, if window.check(input, weight, output);
            fn depthwise_input_gradient(window: &Window, d_output: &[f32], weight: &[f32], d_input: &mut [f32])
                = depthwise::input_gradient, if window.check(d_input, weight, d_output);
            fn depthwise_weight_gradient(window: &Window, input: &[f32], d_output: &[f32], d_weight: &mut [f32])
                = depthwise::weight_gradient, if window.check(input, d_weight, d_output);
            fn affine(map: &Affine, input: &[f32], output: &mut [f32])
                = normalization::affine, if map.check(input, output);
            fn moments(input: &[f32], sums: Moments)
                = normalization::moments, if sums.check(input);
            fn pull_back(map: &Pullback, input: &[f32], gradient: &mut [f32], sums: Moments)
                = normalization::pull_back, if map.check(input, gradient, &sums);
            fn combine(factors: &Combination, gradient: &[f32], input: &[f32], output: &mut [f32])
                = normalization::combine, if factors.check(gradient, input, output);
            fn max_pool(window: &Window, input: &[f32], output: &mut [f32])
                = pooling::max_pool, if window.check_pool(input, output);
            fn max_pool_gradient(window: &Window, input: &[f32], d_output: &[f32], d_input: &mut [f32])
                = pooling::max_pool_gradient, if window.check_pool(input, d_output);
            fn scale(factor: &[f32], input: &[f32], output: &mut [f32], accumulate: bool)
                = pooling::scale, if check_rows(factor, input, output);
            fn dot(a: &[f32], b: &[f32], sums: &mut [f32])
                = pooling::dot, if check_rows(sums, a, b);
        }

        /// See [`Kernels`].
        pub const KERNELS: Kernels = Kernels {
            name: $name,
            matmul,
            depthwise,
            depthwise_input_gradient,
            depthwise_weight_gradient,
            affine,
            moments,
            pull_back,
            combine,
            max_pool,
            max_pool_gradient,
            scale,
            dot,
        };
    };
    (@functions $lanes:ty, $features:literal, $(
        fn $function:ident($($argument:ident: $type:ty),*) = $module:ident::$generic:ident, if $check:expr;
    )*) => {
        use super::{depthwise, matmul, normalization, pooling};
        use crate::compute::scalar::pooling::check_rows;
        use crate::compute::{Affine, Combination, Kernels, Matmul, Moments, Pullback, Window};

        $(fn $function($($argument: $type),*) {
            #[target_feature(enable = $features)]
            fn compiled($($argument: $type),*) {
                // SAFETY: this function has the features, and its only caller has checked the lengths.
                unsafe { $module::$generic::<$lanes>($($argument),*) }
            }
            $check;
            // SAFETY: `Kernels::available` hands this table out only where the processor has the features.
            unsafe { compiled($($argument),*) }
        })*
    };
}
pub(crate) use instantiate;
