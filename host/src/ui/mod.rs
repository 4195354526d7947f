//! What a person sees in the terminal: progress bars, tables, colours. Only `cmd` calls it.
