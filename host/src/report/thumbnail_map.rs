//! Maps of embeddings with the pictures themselves at their points, framed in the colour of their identity.

use std::fmt::Write as _;

use super::{Page, chart, page::escape, picture};

/// Width and height of a map in its own units.
const SIZE: (f64, f64) = (1000.0, 680.0);
/// Share of a map that its pictures would cover if none overlapped.
const COVER: f64 = 0.3;

/// A picture on the map.
#[derive(Debug, Clone)]
pub struct Thumbnail {
    /// RGB bytes, small: every one is stored in the page.
    pub pixels: Vec<u8>,
    /// Height and width.
    pub size: [usize; 2],
    /// Shown when the pointer rests on it.
    pub label: String,
    /// Chooses the colour of its frame.
    pub group: usize,
}

/// One arrangement of the pictures.
#[derive(Debug, Clone)]
pub struct Arrangement<'a> {
    /// Where each picture's centre lies.
    pub points: Vec<(f64, f64)>,
    /// What the map is called.
    pub title: &'a str,
    /// A sentence below it.
    pub caption: &'a str,
}

/// Adds one map for each arrangement of the same pictures, which stand in the page only once.
///
/// # Errors
/// When pixels are not those of a picture of the thumbnail's size.
pub fn add(page: &mut Page, thumbnails: &[Thumbnail], maps: &[Arrangement<'_>]) -> Result<(), image::ImageError> {
    let mut html = String::from("<svg class=\"store\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>");
    for (index, thumbnail) in thumbnails.iter().enumerate() {
        let uri = picture::data_uri(&thumbnail.pixels, thumbnail.size)?;
        let [height, width] = thumbnail.size;
        // Writing to a `String` cannot fail.
        let _ = write!(
            html,
            "<image id=\"thumbnail-{index}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" href=\"{uri}\"/>"
        );
    }
    html.push_str("</defs></svg>\n");
    for map in maps {
        let _ = writeln!(
            html,
            "<figure class=\"map\"><h3>{}</h3>{}<figcaption>{}</figcaption></figure>",
            escape(map.title),
            draw(thumbnails, &map.points),
            escape(map.caption)
        );
    }
    page.block(&html);
    Ok(())
}

fn draw(thumbnails: &[Thumbnail], points: &[(f64, f64)]) -> String {
    let (width, height) = SIZE;
    let tall = (COVER * width * height / (0.5 * points.len().max(1) as f64)).sqrt().clamp(22.0, 72.0);
    let x = chart::extent(points.iter().map(|p| p.0)).unwrap_or(0.0..1.0);
    let y = chart::extent(points.iter().map(|p| p.1)).unwrap_or(0.0..1.0);
    let place = |value: f64, range: &std::ops::Range<f64>, extent: f64| {
        tall / 2.0 + 4.0 + (value - range.start) / (range.end - range.start) * (extent - tall - 8.0)
    };
    let mut svg = format!("<svg viewBox=\"0 0 {width} {height}\">");
    for (index, (thumbnail, point)) in thumbnails.iter().zip(points).enumerate() {
        let scale = tall / thumbnail.size[0].max(1) as f64;
        let wide = thumbnail.size[1] as f64 * scale;
        let (left, top) =
            (place(point.0, &x, width) - wide / 2.0, place(-point.1, &(-y.end..-y.start), height) - tall / 2.0);
        let _ = write!(
            svg,
            "<g class=\"thumbnail\"><title>{}</title><use href=\"#thumbnail-{index}\" transform=\"translate({left:.1} {top:.1}) \
             scale({scale:.4})\"/><rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\" rx=\"2\" \
             stroke=\"{}\"/></g>",
            escape(&thumbnail.label),
            colour(thumbnail.group)
        );
    }
    svg + "</svg>"
}

/// Successive groups lie far apart on the colour circle (by the golden angle).
fn colour(group: usize) -> String {
    let (hue, lightness) = ((group as f64 * 137.508) % 360.0, 38 + 9 * (group % 3));
    format!("hsl({hue:.0} 70% {lightness}%)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thumbnail(group: usize) -> Thumbnail {
        Thumbnail { pixels: vec![90; 4 * 2 * 3], size: [4, 2], label: format!("<{group}>"), group }
    }

    #[test]
    fn pictures_are_stored_once_and_stand_on_every_map() {
        let map = |title| Arrangement { points: vec![(0.0, 0.0), (3.0, -1.0)], title, caption: "c" };
        let mut page = Page::new("t", "s");
        add(&mut page, &[thumbnail(0), thumbnail(1)], &[map("t-SNE"), map("PCA")]).unwrap();
        let html = page.html();
        assert_eq!((html.matches("data:image/png").count(), html.matches("<use ").count()), (2, 4));
        assert!(html.contains("t-SNE") && html.contains("PCA") && html.contains("&lt;1&gt;"));
        let wrong = Thumbnail { size: [3, 2], ..thumbnail(0) };
        assert!(add(&mut page, &[wrong], &[map("a")]).is_err());
    }

    #[test]
    fn everything_lies_on_the_map_upright() {
        let points = [(-5.0, 2.0), (0.0, f64::from(7)), (9.0, -3.0)];
        let svg = draw(&[thumbnail(0), thumbnail(1), thumbnail(2)], &points);
        let numbers = |name: &str| -> Vec<f64> {
            svg.split(&format!("{name}=\"")).skip(1).filter_map(|rest| rest.split('"').next()?.parse().ok()).collect()
        };
        let (x, y) = (numbers("<rect x"), numbers(" y"));
        assert!(x[0] < x[1] && x[1] < x[2], "{x:?}");
        assert!(y[1] < y[0] && y[0] < y[2], "greater y stands higher: {y:?}");
        assert!(
            x.iter().all(|&x| (0.0..SIZE.0 - 20.0).contains(&x))
                && y.iter().all(|&y| (0.0..SIZE.1 - 20.0).contains(&y))
        );
    }
}
