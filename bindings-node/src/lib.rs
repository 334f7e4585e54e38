//! The node face.
