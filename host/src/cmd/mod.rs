//! One file a verb: parse the arguments, call the library, print the result. Nothing is computed here.
