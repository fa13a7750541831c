//! The [`Serializer`] that writes canonical text: which shape is written how.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

use super::{List, Object, Writer};
use crate::cache::key::KeyError;

/// A struct, or what `serde_json` passes off as one: raw JSON, a number of any length.
pub(super) enum Struct<'a> {
    Fields(Object<'a>),
    Embedded(&'a mut Writer),
}

/// The names under which `serde_json` passes its own values through serde.
const EMBEDDED: [&str; 2] = ["$serde_json::private::RawValue", "$serde_json::private::Number"];

macro_rules! leaves {
    ($($method:ident($type:ty)),* $(,)?) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<(), KeyError> {
            self.leaf(&value)
        }
    )*};
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = KeyError;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Struct<'a>;
    type SerializeStructVariant = Object<'a>;

    leaves! {
        serialize_bool(bool), serialize_char(char),
        serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64),
        serialize_i128(i128), serialize_u128(u128),
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<(), KeyError> {
        self.leaf(text)
    }

    fn serialize_f32(self, number: f32) -> Result<(), KeyError> {
        if number.is_finite() { self.leaf(&number) } else { Err(KeyError::NotFinite) }
    }

    fn serialize_f64(self, number: f64) -> Result<(), KeyError> {
        if number.is_finite() { self.leaf(&number) } else { Err(KeyError::NotFinite) }
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), KeyError> {
        self.leaf(bytes)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, text: &T) -> Result<(), KeyError> {
        serde_json::Serializer::new(&mut self.text).collect_str(text).map_err(KeyError::other)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), KeyError> {
        self.leaf(&())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), KeyError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), KeyError> {
        self.leaf(&())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), KeyError> {
        self.leaf(&())
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), KeyError> {
        self.leaf(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.text.push(b'}');
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>, KeyError> {
        Ok(self.list(b"[", b"]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'a>, KeyError> {
        Ok(self.list(b"[", b"]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'a>, KeyError> {
        Ok(self.list(b"[", b"]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'a>, KeyError> {
        self.variant(variant)?;
        Ok(self.list(b"[", b"]}"))
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a>, KeyError> {
        Ok(self.object(b"}"))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Struct<'a>, KeyError> {
        Ok(if EMBEDDED.contains(&name) {
            Struct::Embedded(self)
        } else {
            Struct::Fields(self.object(b"}"))
        })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'a>, KeyError> {
        self.variant(variant)?;
        Ok(self.object(b"}}"))
    }
}

macro_rules! lists {
    ($($kind:ident::$method:ident),*) => {$(
        impl ser::$kind for List<'_> {
            type Ok = ();
            type Error = KeyError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
                self.part(|writer| value.serialize(writer))
            }

            #[inline]
            fn end(self) -> Result<(), KeyError> {
                self.finish();
                Ok(())
            }
        }
    )*};
}

lists! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
}

impl ser::SerializeMap for Object<'_> {
    type Ok = ();
    type Error = KeyError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), KeyError> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        self.value(|writer| value.serialize(writer))
    }

    #[inline]
    fn end(self) -> Result<(), KeyError> {
        self.finish();
        Ok(())
    }
}

impl ser::SerializeStructVariant for Object<'_> {
    type Ok = ();
    type Error = KeyError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        self.entry(name, |writer| value.serialize(writer))
    }

    #[inline]
    fn end(self) -> Result<(), KeyError> {
        self.finish();
        Ok(())
    }
}

impl ser::SerializeStruct for Struct<'_> {
    type Ok = ();
    type Error = KeyError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        match self {
            Struct::Fields(object) => object.entry(name, |writer| value.serialize(writer)),
            Struct::Embedded(writer) => writer.embedded(value),
        }
    }

    #[inline]
    fn end(self) -> Result<(), KeyError> {
        if let Struct::Fields(object) = self {
            object.finish();
        }
        Ok(())
    }
}
