//! Requantization of four sums in a vector, as text of assembly.
//!
//! Everywhere q5 holds the multipliers, q6 the least result, q7 the greatest one, and r5 the zero point.

/// What the assembler must know, which is not told for whole functions what the compiler compiles for.
macro_rules! helium {
    () => {
        ".cpu cortex-m55
        "
    };
}

/// Adds the zero point and keeps to the bounds.
macro_rules! bound {
    ($q:literal) => {
        concat!(
            "vadd.i32 ",
            $q,
            ", ",
            $q,
            ", r5\n",
            "vmax.s32 ",
            $q,
            ", ",
            $q,
            ", q6\n",
            "vmin.s32 ",
            $q,
            ", ",
            $q,
            ", q7\n",
        )
    };
}

/// Sums into results: VRMULH.S32 is `(a·b + 2³¹) >> 32`.
macro_rules! narrow {
    ($q:literal) => {
        concat!("vrmulh.s32 ", $q, ", ", $q, ", q5\n", bound!($q))
    };
}

/// The same plus the summand at `$at`, rounded together: both products of 64 bits are added by halves, and what the lower
/// halves carry, with 2³¹ for the rounding, is `((l₁ + l₂) / 2 + 2³⁰) >> 31`. r0: 2⁸·its zero point, r2: its multiplier;
/// q2, q3 and q4 are lost.
macro_rules! narrow_sum {
    ($q:literal, $at:literal) => {
        concat!(
            "vldrb.s32 q2, [",
            $at,
            "]
            vshl.i32 q2, q2, #8
            vsub.i32 q2, q2, r0
            vmul.i32 q3, q2, r2
            vdup.32 q4, r2
            vmulh.s32 q2, q2, q4
            vmul.i32 q4, ",
            $q,
            ", q5
            vmulh.s32 ",
            $q,
            ", ",
            $q,
            ", q5
            vadd.i32 ",
            $q,
            ", ",
            $q,
            ", q2
            vhadd.u32 q3, q3, q4
            vrshr.u32 q3, q3, #31
            vadd.i32 ",
            $q,
            ", ",
            $q,
            ", q3\n",
            bound!($q)
        )
    };
}
