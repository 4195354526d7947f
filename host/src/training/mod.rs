//! The loop that turns a data set and a recipe into a checkpoint.
