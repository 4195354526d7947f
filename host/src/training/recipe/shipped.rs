//! The recipes that come with the program, and reading others from files.

use super::{Recipe, RecipeError};
use crate::dataset::Dataset;
use std::path::Path;

/// The recipes that are shipped, by name.
const SHIPPED: [(&str, &str); 4] = [
    ("default", include_str!("shipped/default.toml")),
    ("distilled", include_str!("shipped/distilled.toml")),
    ("few_pictures", include_str!("shipped/few_pictures.toml")),
    ("baseline", include_str!("shipped/baseline.toml")),
];

impl Recipe {
    /// The names that [`Recipe::read`] knows besides paths.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// What the shipped recipe `name` is for: the comment at the head of its file.
    pub fn purpose(name: &str) -> Option<String> {
        let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
        let lines = text.lines().map_while(|line| line.strip_prefix("# "));
        Some(lines.collect::<Vec<_>>().join(" "))
    }

    /// The shipped recipe that suits a data set: with three pictures of an identity or fewer, `few_pictures`.
    ///
    /// # Errors
    /// None: the shipped recipes are tested.
    pub fn for_data(data: &Dataset) -> Result<Self, RecipeError> {
        let few = data.train.len() <= 3 * data.train_identities();
        Self::read(Path::new(if few { "few_pictures" } else { "default" }))
    }

    /// Reads and checks a TOML file, or the shipped recipe of that name. A teacher may still be missing.
    ///
    /// # Errors
    /// [`RecipeError`]; an unknown key is an error that names it.
    pub fn read(path: &Path) -> Result<Self, RecipeError> {
        let shipped = SHIPPED.iter().find(|(name, _)| Path::new(name) == path);
        let text = match shipped {
            Some((_, text)) => (*text).to_owned(),
            None => {
                std::fs::read_to_string(path).map_err(|source| RecipeError::Io { path: path.to_owned(), source })?
            }
        };
        let recipe: Self = toml::from_str(&text)
            .map_err(|source| RecipeError::Syntax { path: path.to_owned(), source: Box::new(source) })?;
        recipe.check()?;
        Ok(recipe)
    }
}
