//! The page: headings, text, tables and figures, in the order in which they are added.

use std::fmt::Write as _;
use std::path::Path;

/// An HTML page that is being written.
#[derive(Debug, Clone)]
pub struct Page {
    body: String,
    title: String,
    in_charts: bool,
}

impl Page {
    /// A page with a heading and a line below it.
    pub fn new(title: &str, subtitle: &str) -> Self {
        let body = format!("<h1>{}</h1>\n<p>{}</p>\n", escape(title), escape(subtitle));
        Self { body, title: title.into(), in_charts: false }
    }

    /// A heading of a new part.
    pub fn heading(&mut self, text: &str) -> &mut Self {
        self.end_charts();
        self.add(&format!("<h2>{}</h2>\n", escape(text)))
    }

    /// A paragraph.
    pub fn paragraph(&mut self, text: &str) -> &mut Self {
        self.end_charts();
        self.add(&format!("<p>{}</p>\n", escape(text)))
    }

    /// Text to be shown as it is, line by line, in letters of one width; folded away below `summary` until asked for.
    pub fn preformatted(&mut self, summary: &str, text: &str) -> &mut Self {
        let (summary, text) = (escape(summary), escape(text));
        self.section(&format!("<details><summary>{summary}</summary><pre>{text}</pre></details>"))
    }

    /// A table: the first column is text, the others are numbers.
    pub fn table(&mut self, head: &[&str], rows: &[Vec<String>]) -> &mut Self {
        self.end_charts();
        let mut html = String::from("<section><table><tr>");
        for (column, text) in head.iter().enumerate() {
            cell(&mut html, "th", column, text);
        }
        for row in rows {
            html.push_str("</tr>\n<tr>");
            for (column, text) in row.iter().enumerate() {
                cell(&mut html, "td", column, text);
            }
        }
        html.push_str("</tr></table></section>\n");
        self.add(&html)
    }

    /// A chart (SVG from [`super::chart`] or [`super::embedding_map`]); neighbouring charts stand side by side.
    pub fn chart(&mut self, svg: &str, caption: &str) -> &mut Self {
        if !self.in_charts {
            self.body.push_str("<div class=\"charts\">\n");
            self.in_charts = true;
        }
        self.add(&format!("<figure>{svg}<figcaption>{}</figcaption></figure>\n", escape(caption)))
    }

    /// Ready-made markup of this folder, such as [`super::rank_list`]'s.
    pub(super) fn section(&mut self, html: &str) -> &mut Self {
        self.end_charts();
        self.add(&format!("<section>{html}</section>\n"))
    }

    /// Ready-made markup that brings its own frames.
    pub(super) fn block(&mut self, html: &str) -> &mut Self {
        self.end_charts();
        self.add(html)
    }

    /// The whole page.
    pub fn html(&self) -> String {
        let end = if self.in_charts { "</div>" } else { "" };
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" \
             content=\"width=device-width\">\n<title>{}</title>\n<style>\n{}</style></head>\n<body><main>\n{}{end}\
             </main></body></html>\n",
            escape(&self.title),
            include_str!("style.css"),
            self.body
        )
    }

    /// Writes the page.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, self.html())
    }

    fn add(&mut self, html: &str) -> &mut Self {
        self.body.push_str(html);
        self
    }

    fn end_charts(&mut self) {
        if std::mem::take(&mut self.in_charts) {
            self.body.push_str("</div>\n");
        }
    }
}

fn cell(html: &mut String, tag: &str, column: usize, text: &str) {
    let class = if column == 0 { "" } else { " class=\"number\"" };
    // Writing to a `String` cannot fail.
    let _ = write!(html, "<{tag}{class}>{}</{tag}>", escape(text));
}

/// Text with the characters replaced that HTML gives a meaning to.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_page() {
        let mut page = Page::new("a <b> & \"c\"", "");
        page.table(&["name"], &[vec!["<script>".into()]]);
        let html = page.html();
        assert!(html.contains("a &lt;b&gt; &amp; &quot;c&quot;") && !html.contains("<script>"));
    }

    #[test]
    fn preformatted_text_is_shown_as_it_is() {
        let mut page = Page::new("t", "s");
        page.chart("<svg/>", "c").preformatted("recipe", "[loss]\n  a = \"<b>\"");
        assert!(page.html().contains("<summary>recipe</summary><pre>[loss]\n  a = &quot;&lt;b&gt;&quot;</pre>"));
    }

    #[test]
    fn neighbouring_charts_share_a_row() {
        let mut page = Page::new("t", "s");
        page.chart("<svg/>", "one").chart("<svg/>", "two").heading("next").chart("<svg/>", "three");
        let html = page.html();
        assert_eq!(html.matches("<div class=\"charts\">").count(), 2);
        assert_eq!(html.matches("</div>").count(), 2);
    }
}
