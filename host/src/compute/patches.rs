//! Dense convolution as a matrix product: pictures to rows of patches, and gradients of patches back to pictures.

use super::Window;

/// `[out_height · out_width, kernel · kernel · channels]` from one picture; what lies outside is zero.
pub fn gather(window: &Window, picture: &[f32], patches: &mut [f32]) {
    let c = window.channels;
    patches.fill(0.0);
    for_each_row(window, |patch, image, len| {
        patches[patch * c..(patch + len) * c].copy_from_slice(&picture[image * c..(image + len) * c]);
    });
}

/// The transpose of [`gather`]: adds every patch's values to the picture they came from.
pub fn scatter(window: &Window, patches: &[f32], picture: &mut [f32]) {
    let c = window.channels;
    for_each_row(window, |patch, image, len| {
        let values = &patches[patch * c..(patch + len) * c];
        for (sum, value) in picture[image * c..(image + len) * c].iter_mut().zip(values) {
            *sum += value;
        }
    });
}

/// Calls `visit(patch, image, len)` for each run of `len` positions that a row of a patch shares with the picture.
fn for_each_row(window: &Window, mut visit: impl FnMut(usize, usize, usize)) {
    let (kernel, out_width) = (window.kernel, window.out_width());
    for i in 0..window.out_height() {
        let rows = window.taps(i, window.height);
        for j in 0..out_width {
            let columns = window.taps(j, window.width);
            if columns.is_empty() {
                continue;
            }
            for u in rows.clone() {
                let patch = ((i * out_width + j) * kernel + u) * kernel + columns.start;
                let row = i * window.stride + u - window.padding;
                let column = j * window.stride + columns.start - window.padding;
                visit(patch, row * window.width + column, columns.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { height: 3, width: 2, channels: 2, kernel: 3, stride: 2, padding: 1 };

    #[test]
    fn a_patch_is_the_neighbourhood_with_zeros_outside() {
        let picture: Vec<f32> = (1..=12).map(|value| value as f32).collect();
        let mut patches = vec![9.0; 2 * 18];
        gather(&WINDOW, &picture, &mut patches);
        assert_eq!(patches[..6], [0.0; 6]);
        assert_eq!(patches[6..12], [0.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(patches[18..24], [0.0, 0.0, 5.0, 6.0, 7.0, 8.0]);
    }

    #[test]
    fn scatter_is_the_transpose_of_gather() {
        let picture: Vec<f32> = (0..12).map(|value| (value as f32).sin()).collect();
        let weights: Vec<f32> = (0..36).map(|value| (value as f32).cos()).collect();
        let (mut patches, mut back) = (vec![0.0; 36], vec![0.0; 12]);
        gather(&WINDOW, &picture, &mut patches);
        scatter(&WINDOW, &weights, &mut back);
        let left: f32 = patches.iter().zip(&weights).map(|(a, b)| a * b).sum();
        let right: f32 = picture.iter().zip(&back).map(|(a, b)| a * b).sum();
        assert!((left - right).abs() < 1e-5, "⟨Gx, w⟩ = {left}, ⟨x, Gᵀw⟩ = {right}");
    }
}
