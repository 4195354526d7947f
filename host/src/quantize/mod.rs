//! From a float graph to the bytes of a `.deja` file, in pipeline order.
