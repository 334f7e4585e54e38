//! The python face.
