//! Heights and widths as arguments: `128x64`.

/// `HxW`, as `[height, width]`.
///
/// # Errors
/// A text that says what it should be.
pub fn parse_size(text: &str) -> Result<[usize; 2], String> {
    let side = |text: &str| text.trim().parse().ok().filter(|&side: &usize| side > 0);
    text.split_once(['x', 'X', '×'])
        .and_then(|(height, width)| Some([side(height)?, side(width)?]))
        .ok_or_else(|| "give height x width, for example 128x64".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn height_comes_first() {
        assert_eq!(parse_size("128x64"), Ok([128, 64]));
        for bad in ["", "128", "128x", "0x64", "-1x4", "axb", "1x2x3"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
