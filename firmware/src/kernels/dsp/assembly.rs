//! Text that whole functions in assembly share.

/// The instructions that the assembler is to know: for whole functions it is not told what the compiler compiles for. What
/// a Cortex-M4 has, every core with the DSP extension has.
macro_rules! dsp {
    () => {
        ".cpu cortex-m4"
    };
}
