//! A layer around bincode's deserializer that believes no length in a stranger's body.
//!
//! Left alone, bincode trusts what it reads in four ways, each answered here:
//!
//! | a body of a few bytes claims | bincode would | [`Bounded`] |
//! |---|---|---|
//! | a `String` or byte buffer of 2^40 bytes | allocate it, then look for the bytes | asks for it *borrowed*, which bincode checks against what is left before anything is copied |
//! | a list of 2^40 elements | pass that on as a size hint, on which serde reserves up to 1 MiB per list | gives no hint: a list grows with the elements that come |
//! | 2^40 elements of no bytes | loop that often | grants as many elements as the body has bytes |
//! | a value within a value within … | recurse until the stack is gone | stops at [`MAX_DEPTH`] |
//!
//! The grant of elements refuses no honest value whose elements take bytes: the first byte of an element belongs to that
//! element alone, because elements nested in it come after the length of their own list.
//!
//! This holds for a deserializer like bincode's, which is led by the type and refuses `deserialize_any`; a
//! self-describing format would also have to be watched in what it chooses to visit.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// Levels of options, structs, tuples, enums and lists within each other; `serde_json` has the same number for JSON.
const MAX_DEPTH: usize = 128;

/// What may still be read. The elements are shared by the whole body, the depth by each branch.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'b> {
    elements_left: &'b Cell<usize>,
    depth_left: usize,
}

impl<'b> Bounds<'b> {
    pub(crate) fn new(elements_left: &'b Cell<usize>) -> Self {
        Self {
            elements_left,
            depth_left: MAX_DEPTH,
        }
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1).ok_or_else(|| {
            E::custom(format_args!(
                "expected at most {MAX_DEPTH} levels of nesting"
            ))
        })?;
        Ok(Self { depth_left, ..self })
    }

    fn take_element<E: Error>(self) -> Result<(), E> {
        let left =
            self.elements_left.get().checked_sub(1).ok_or_else(|| {
                E::custom("expected at most one list element per byte of the body")
            })?;
        self.elements_left.set(left);
        Ok(())
    }
}

/// Any of serde's moving parts, handing its bounds to whatever it leads to.
pub(crate) struct Bounded<'b, T> {
    inner: T,
    bounds: Bounds<'b>,
}

impl<'b, T> Bounded<'b, T> {
    pub(crate) fn new(inner: T, bounds: Bounds<'b>) -> Self {
        Self { inner, bounds }
    }
}

/// Likewise, for what has its length from the body instead of from its type: lists, sets and maps.
struct Counted<'b, T> {
    inner: T,
    bounds: Bounds<'b>,
}

/// Passes on what holds no further values and trusts no length.
macro_rules! pass_on {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, D> {
    type Error = D::Error;

    pass_on! {
        deserialize_any deserialize_ignored_any deserialize_identifier
        deserialize_bool deserialize_char deserialize_f32 deserialize_f64
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_str deserialize_bytes deserialize_unit
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_bytes(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let bounds = self.bounds.deeper()?;
        self.inner.deserialize_option(Bounded::new(visitor, bounds))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let bounds = self.bounds.deeper()?;
        self.inner
            .deserialize_newtype_struct(name, Bounded::new(visitor, bounds))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let bounds = self.bounds.deeper()?;
        self.inner
            .deserialize_tuple(len, Bounded::new(visitor, bounds))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let bounds = self.bounds.deeper()?;
        self.inner
            .deserialize_tuple_struct(name, len, Bounded::new(visitor, bounds))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let bounds = self.bounds.deeper()?;
        self.inner
            .deserialize_struct(name, fields, Bounded::new(visitor, bounds))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let bounds = self.bounds.deeper()?;
        self.inner
            .deserialize_enum(name, variants, Bounded::new(visitor, bounds))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let bounds = self.bounds.deeper()?;
        self.inner.deserialize_seq(Counted {
            inner: visitor,
            bounds,
        })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let bounds = self.bounds.deeper()?;
        self.inner.deserialize_map(Counted {
            inner: visitor,
            bounds,
        })
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Bounded<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner
            .deserialize(Bounded::new(deserializer, self.bounds))
    }
}

/// Only what bincode calls for the types above; the rest keeps serde's default, an error.
impl<'de, V: Visitor<'de>> Visitor<'de> for Bounded<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner
            .visit_some(Bounded::new(deserializer, self.bounds))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        self.inner
            .visit_newtype_struct(Bounded::new(deserializer, self.bounds))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, fields: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Bounded::new(fields, self.bounds))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(Bounded::new(data, self.bounds))
    }
}

/// The fields of a struct or tuple: as many as its type says, so not counted.
impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner
            .next_element_seed(Bounded::new(seed, self.bounds))
    }
}

impl<'de, 'b, A: EnumAccess<'de>> EnumAccess<'de> for Bounded<'b, A> {
    type Error = A::Error;
    type Variant = Bounded<'b, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (name, content) = self.inner.variant_seed(seed)?;
        Ok((name, Bounded::new(content, self.bounds)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner
            .newtype_variant_seed(Bounded::new(seed, self.bounds))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner
            .tuple_variant(len, Bounded::new(visitor, self.bounds))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner
            .struct_variant(fields, Bounded::new(visitor, self.bounds))
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Counted<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Counted {
            inner: elements,
            bounds: self.bounds,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Counted {
            inner: entries,
            bounds: self.bounds,
        })
    }
}

// An element is taken after it was read, so that the end of the list is not counted as one. No access here has a
// `size_hint` other than serde's default, none: a claim is no reason to reserve.

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Counted<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let element = self
            .inner
            .next_element_seed(Bounded::new(seed, self.bounds))?;
        if element.is_some() {
            self.bounds.take_element()?;
        }
        Ok(element)
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Counted<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let key = self.inner.next_key_seed(Bounded::new(seed, self.bounds))?;
        if key.is_some() {
            self.bounds.take_element()?;
        }
        Ok(key)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Bounded::new(seed, self.bounds))
    }
}
