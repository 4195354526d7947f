//! Vectorized int8 kernels, written once over [`lanes::ByteLanes`] and compiled for each instruction set.
//!
//! As with the float kernels beside them, the generic functions are `unsafe` for their raw pointers and their
//! instruction set; the safe functions that [`instantiate!`] makes check every length, and `Int8Kernels::available` lists
//! a table only where the processor has been asked.

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
mod depthwise;
#[cfg(target_arch = "aarch64")]
pub mod dotprod;
mod elementwise;
mod lanes;
#[cfg(target_arch = "aarch64")]
pub mod neon;
mod product;
mod scale;
#[cfg(test)]
mod twins;

/// A table `KERNELS` named `$name` over the lanes `$lanes`, which need the target features `$features`.
macro_rules! instantiate {
    ($name:literal, $lanes:ty, $features:literal) => {
        instantiate! { @functions $lanes, $features,
            fn convolution(job: Windowed<'_, Matrix>) = product::convolution, if product::check(&job);
            fn convolution_add(job: ConvolutionAdd<'_>) = product::convolution_add, if product::check_add(&job);
            fn accumulate(matrix: &Matrix, row: &[u8], sums: &mut Vec<i32>)
                = product::accumulate, if product::check_row(matrix, row);
            fn depthwise(job: Windowed<'_, Channelwise>) = depthwise::depthwise, if depthwise::check(&job);
            fn add(job: Add<'_>) = elementwise::add, if elementwise::check_add(&job);
            fn scale(job: Scale<'_>) = scale::scale, if scale::check(&job);
            fn pool(job: Pool<'_>) = elementwise::pool, if elementwise::check_pool(&job);
        }

        /// See [`Int8Kernels`].
        pub const KERNELS: Int8Kernels = Int8Kernels {
            name: $name,
            order: Order { lanes: <$lanes>::N, place: <$lanes>::place, offset: <$lanes>::OFFSET },
            convolution,
            convolution_add,
            accumulate,
            depthwise,
            add,
            scale,
            pool,
        };
    };
    (@functions $lanes:ty, $features:literal, $(
        fn $function:ident($($argument:ident: $type:ty),*) = $module:ident::$generic:ident, if $check:expr;
    )*) => {
        use super::{depthwise, elementwise, product, scale};
        use crate::compute::int8::{
            Add, Channelwise, ConvolutionAdd, Int8Kernels, Matrix, Order, Pool, Scale, Windowed,
        };

        $(fn $function($($argument: $type),*) {
            #[target_feature(enable = $features)]
            fn compiled($($argument: $type),*) {
                // SAFETY: this function has the features, and its only caller has checked the lengths.
                unsafe { $module::$generic::<$lanes>($($argument),*) }
            }
            $check;
            // SAFETY: `Int8Kernels::available` hands this table out only where the processor has the features.
            unsafe { compiled($($argument),*) }
        })*
    };
}
pub(crate) use instantiate;
