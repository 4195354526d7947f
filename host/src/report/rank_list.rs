//! Rank lists: a query, and the gallery's best matches beside it, right ones framed green and wrong ones red.

use std::fmt::Write as _;

use super::{Page, page::escape, picture};

/// One picture with what stands below it.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// RGB bytes.
    pub pixels: &'a [u8],
    /// Height and width.
    pub size: [usize; 2],
    /// A few words below the picture.
    pub label: String,
    /// Whether it shows who was asked for; `None` for the query itself.
    pub right: Option<bool>,
}

/// A query with its best matches, nearest first.
#[derive(Debug, Clone)]
pub struct RankList<'a> {
    /// What was searched for.
    pub query: Entry<'a>,
    /// What was found.
    pub matches: Vec<Entry<'a>>,
}

/// Adds rank lists to the page, one below the other.
///
/// # Errors
/// When pixels are not those of a picture of the entry's size.
pub fn add(page: &mut Page, lists: &[RankList<'_>]) -> Result<(), image::ImageError> {
    let mut html = String::new();
    for list in lists {
        html.push_str("<div class=\"ranks\">");
        for entry in std::iter::once(&list.query).chain(&list.matches) {
            html.push_str(&figure(entry)?);
        }
        html.push_str("</div>\n");
    }
    page.section(&html);
    Ok(())
}

/// Adds single pictures with a verdict below each, side by side.
///
/// # Errors
/// As [`add`].
pub fn add_verdicts(page: &mut Page, entries: &[Entry<'_>]) -> Result<(), image::ImageError> {
    let mut html = String::from("<div class=\"verdicts\">");
    for entry in entries {
        html.push_str("<div class=\"ranks\">");
        html.push_str(&figure(entry)?);
        html.push_str("</div>");
    }
    html.push_str("</div>");
    page.section(&html);
    Ok(())
}

fn figure(entry: &Entry<'_>) -> Result<String, image::ImageError> {
    let class = match entry.right {
        None => "query",
        Some(true) => "right",
        Some(false) => "wrong",
    };
    let uri = picture::data_uri(entry.pixels, entry.size)?;
    let mut html = String::new();
    // Writing to a `String` cannot fail.
    let _ = write!(html, "<div class=\"{class}\"><img alt=\"\" src=\"{uri}\">{}</div>", escape(&entry.label));
    Ok(html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_and_wrong_are_framed_differently() {
        let entry = |right| Entry { pixels: &[0; 12], size: [2, 2], label: "0.91".into(), right };
        let list = RankList { query: entry(None), matches: vec![entry(Some(true)), entry(Some(false))] };
        let mut page = Page::new("t", "s");
        add(&mut page, &[list]).unwrap();
        let html = page.html();
        for class in ["query", "right", "wrong"] {
            assert_eq!(html.matches(&format!("<div class=\"{class}\">")).count(), 1);
        }
        assert!(add(&mut page, &[RankList { query: Entry { size: [3, 2], ..entry(None) }, matches: vec![] }]).is_err());
    }
}
