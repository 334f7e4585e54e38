//! Is a type parameter [`Value`]? serde's roads are the same for all types; this one has shorter ones.

use std::any::TypeId;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, transmute_copy};

use serde::de::DeserializeSeed;

use super::Value;

/// The value, if `T` is [`Value`] or a reference to one. The compiler knows, so asking costs nothing.
pub(super) fn as_value<T: ?Sized>(value: &T) -> Option<&Value> {
    let type_id = typeid::of::<T>();
    let value: *const T = value;
    if type_id == TypeId::of::<Value>() {
        // SAFETY: `T` is `Value`, which has no lifetime in which the two could differ.
        Some(unsafe { &*value.cast::<Value>() })
    } else if type_id == TypeId::of::<&Value>() {
        // SAFETY: `T` is a reference to a `Value`, and lives at least as long as the one to it that was given.
        Some(unsafe { *value.cast::<&Value>() })
    } else {
        None
    }
}

/// Whether `S` asks for a [`Value`] and nothing else.
pub(super) fn wants_value<S>() -> bool {
    typeid::of::<S>() == TypeId::of::<PhantomData<Value>>()
}

/// A value as the result of a seed that [wants](wants_value) one.
///
/// # Panics
/// If it does not.
pub(super) fn as_result<'de, S: DeserializeSeed<'de>>(value: Value) -> S::Value {
    assert!(wants_value::<S>());
    // SAFETY: `S` is `PhantomData<Value>`, whose result is `Value`; the original is not dropped.
    unsafe { transmute_copy(&ManuallyDrop::new(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_are_values() {
        let value = Value::from("longer than what a string holds in place");
        assert_eq!(as_value(&value), Some(&value));
        assert_eq!(as_value(&&value), Some(&value));
        assert_eq!(as_value(&(value.clone(),)), None);
        assert_eq!(as_value(&Some(value.clone())), None);
        assert_eq!(as_value("text"), None);
        assert!(wants_value::<PhantomData<Value>>() && !wants_value::<PhantomData<Option<Value>>>());
        assert_eq!(as_result::<PhantomData<Value>>(value.clone()), value);
    }
}
