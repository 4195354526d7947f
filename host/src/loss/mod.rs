//! One loss a file: value and gradient with respect to the embeddings (or the logits).
