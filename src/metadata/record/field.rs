//! Pure: how the fields of a metadata record stand in its bytes (Kafka's flexible encoding).

use crate::base::ids::Uuid;
use crate::base::{NodeId, TopicId};
use crate::wire::cursor::{Cursor, Short, Sink};
use crate::wire::primitive::Form;

/// A type that a record's field can have.
pub(super) trait Field: Sized {
    /// Takes the field off the front of `cursor`.
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Short>;
    /// Appends the field to `out`.
    fn write(&self, out: &mut Vec<u8>);
}

macro_rules! numbers {
    ($($type:ident)*) => {$(
        impl Field for $type {
            fn read(cursor: &mut Cursor<'_>) -> Result<Self, Short> {
                cursor.$type()
            }

            fn write(&self, out: &mut Vec<u8>) {
                out.put(&self.to_be_bytes());
            }
        }
    )*};
}

numbers! { i8 i16 u16 i32 i64 }

impl Field for bool {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Short> {
        Ok(cursor.u8()? != 0)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.put(&[u8::from(*self)]);
    }
}

impl Field for Uuid {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Short> {
        cursor.uuid().map(Uuid::from_bytes)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.put(self.as_bytes());
    }
}

impl Field for TopicId {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Short> {
        Uuid::read(cursor).map(TopicId)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}

impl Field for NodeId {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Short> {
        i32::read(cursor).map(NodeId)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}

impl Field for String {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Short> {
        // A null where none may stand is as bad as missing bytes.
        Option::<String>::read(cursor)?.ok_or(Short)
    }

    fn write(&self, out: &mut Vec<u8>) {
        Form::FLEXIBLE.put_string(out, self);
    }
}

impl Field for Option<String> {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Short> {
        // The value of a setting may be longer than a string of a request.
        let text = Form::FLEXIBLE.nullable_string_within(cursor, usize::MAX)?;
        Ok(text.map(str::to_owned))
    }

    fn write(&self, out: &mut Vec<u8>) {
        Form::FLEXIBLE.put_nullable_string(out, self.as_deref());
    }
}

impl<T: Field> Field for Vec<T> {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Short> {
        Option::<Vec<T>>::read(cursor)?.ok_or(Short)
    }

    fn write(&self, out: &mut Vec<u8>) {
        Form::FLEXIBLE.put_length(out, self.len());
        for item in self {
            item.write(out);
        }
    }
}

impl<T: Field> Field for Option<Vec<T>> {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Short> {
        let Some(count) = Form::FLEXIBLE.nullable_count(cursor, 1)? else {
            return Ok(None);
        };
        (0..count)
            .map(|_| T::read(cursor))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            None => Form::FLEXIBLE.put_null_array(out),
            Some(items) => items.write(out),
        }
    }
}

/// The tagged fields of a struct, in the order of their tags.
pub(super) struct Tagged<'a> {
    fields: Vec<(u32, &'a [u8])>,
}

impl<'a> Tagged<'a> {
    /// Takes a section of tagged fields off the front of `cursor`.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Tagged<'a>, Short> {
        let mut fields = Vec::new();
        Form::FLEXIBLE.tags(cursor, |tag, field| {
            fields.push((tag, field.rest()));
            Ok::<(), Short>(())
        })?;
        Ok(Tagged { fields })
    }

    /// The field with this tag; `None` where it was left out because it has its default. Unknown
    /// tags are ignored: that is what a tag is for.
    pub(super) fn get<T: Field>(&self, tag: u32) -> Result<Option<T>, Short> {
        let Some((_, bytes)) = self.fields.iter().find(|(found, _)| *found == tag) else {
            return Ok(None);
        };
        let mut cursor = Cursor::new(bytes);
        let value = T::read(&mut cursor)?;
        (cursor.remaining() == 0)
            .then_some(Some(value))
            .ok_or(Short)
    }
}

/// Collects tagged fields, which are written with their count before them.
#[derive(Default)]
pub(super) struct TaggedOut {
    count: u32,
    bytes: Vec<u8>,
}

impl TaggedOut {
    /// Adds a field; tags must rise.
    pub(super) fn put<T: Field>(&mut self, tag: u32, value: &T) {
        let mut bytes = Vec::new();
        value.write(&mut bytes);
        self.count += 1;
        self.bytes.put_uvarint(tag);
        self.bytes.put_uvarint(bytes.len() as u32);
        self.bytes.put(&bytes);
    }

    /// Appends the section to `out`.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.put_uvarint(self.count);
        out.put(&self.bytes);
    }
}

/// Declares a struct of a record and its encoding, field by field in the order of the bytes.
///
/// `name: Type` stands in every version; `name: Type [since N]` only from version N on (and has
/// the type's default before). Fields after `tagged` are `tag name: Type [since N]` with the
/// default in front of which Kafka leaves the field out; tags rise.
macro_rules! fields {
    (
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$field_doc:meta])* $field:ident: $type:ty $([since $since:literal])?,)*
        }
        $(tagged {
            $($(#[$tag_doc:meta])*
            $tag:literal $tag_field:ident: $tag_type:ty $([since $tag_since:literal])?
                = $default:expr,)*
        })?
    ) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            $($($(#[$tag_doc])* pub $tag_field: $tag_type,)*)?
        }

        impl $name {
            /// Takes the struct, as it is in `version` of its record, off the front of `cursor`.
            #[allow(unused_variables)]
            pub(super) fn read(
                cursor: &mut $crate::wire::cursor::Cursor<'_>,
                version: u32,
            ) -> Result<Self, $crate::wire::cursor::Short> {
                #[allow(unused_imports)]
                use $crate::metadata::record::field::{Field, Tagged};
                $(
                    let $field = $crate::metadata::record::field::read_field!(
                        $type, cursor, version $(, $since)?
                    );
                )*
                let tagged = Tagged::read(cursor)?;
                $($(let $tag_field = tagged.get::<$tag_type>($tag)?.unwrap_or($default);)*)?
                Ok($name { $($field,)* $($($tag_field,)*)? })
            }

            /// Appends the struct, as it is in `version` of its record, to `out`.
            #[allow(unused_variables)]
            pub(super) fn write(&self, out: &mut Vec<u8>, version: u32) {
                #[allow(unused_imports)]
                use $crate::metadata::record::field::{Field, TaggedOut};
                $(
                    if true $(&& version >= $since)? {
                        self.$field.write(out);
                    }
                )*
                #[allow(unused_mut)]
                let mut tagged = TaggedOut::default();
                $($(
                    let default: $tag_type = $default;
                    if true $(&& version >= $tag_since)? && self.$tag_field != default {
                        tagged.put($tag, &self.$tag_field);
                    }
                )*)?
                tagged.write(out);
            }
        }
    };
}

/// Reads a field; one that `version` does not have yet gets its type's default.
macro_rules! read_field {
    ($type:ty, $cursor:ident, $version:ident) => {
        <$type as Field>::read($cursor)?
    };
    ($type:ty, $cursor:ident, $version:ident, $since:literal) => {
        if $version >= $since {
            <$type as Field>::read($cursor)?
        } else {
            <$type>::default()
        }
    };
}

/// Declares structs that stand in arrays of a record, with the same encoding in all versions.
macro_rules! items {
    ($($(#[$doc:meta])* $name:ident { $($body:tt)* })*) => {$(
        $crate::metadata::record::field::fields! { $(#[$doc])* $name { $($body)* } }

        impl $crate::metadata::record::field::Field for $name {
            fn read(
                cursor: &mut $crate::wire::cursor::Cursor<'_>,
            ) -> Result<Self, $crate::wire::cursor::Short> {
                $name::read(cursor, 0)
            }

            fn write(&self, out: &mut Vec<u8>) {
                $name::write(self, out, 0);
            }
        }
    )*};
}

pub(super) use {fields, items, read_field};

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back<T: Field + PartialEq + std::fmt::Debug>(value: T, bytes: &[u8]) {
        let mut out = Vec::new();
        value.write(&mut out);
        assert_eq!(out, bytes);
        let mut cursor = Cursor::new(bytes);
        assert_eq!(T::read(&mut cursor), Ok(value));
        assert_eq!(cursor.remaining(), 0);
        for end in 0..bytes.len() {
            assert!(T::read(&mut Cursor::new(&bytes[..end])).is_err());
        }
    }

    #[test]
    fn values_come_back() {
        there_and_back(String::from("ab"), &[3, b'a', b'b']);
        there_and_back(None::<String>, &[0]);
        there_and_back(
            vec![NodeId(1), NodeId(-1)],
            &[3, 0, 0, 0, 1, 255, 255, 255, 255],
        );
        there_and_back(None::<Vec<i32>>, &[0]);
        there_and_back(Some(Vec::<i32>::new()), &[1]);
        there_and_back(40000u16, &[0x9c, 0x40]);
        there_and_back(true, &[1]);
    }

    #[test]
    fn nulls_and_claimed_counts_are_refused() {
        assert_eq!(String::read(&mut Cursor::new(&[0])), Err(Short));
        assert_eq!(Vec::<i32>::read(&mut Cursor::new(&[0])), Err(Short));
        let two_billion = [0x80, 0x80, 0x80, 0x80, 0x08, 0, 0];
        assert_eq!(Vec::<i32>::read(&mut Cursor::new(&two_billion)), Err(Short));
        assert!(Tagged::read(&mut Cursor::new(&two_billion)).is_err());
        assert_eq!(String::read(&mut Cursor::new(&[2, 0xff])), Err(Short));
    }

    #[test]
    fn a_tagged_field_must_fill_its_bytes() {
        let section = [1, 4, 2, 7, 9];
        let tagged = Tagged::read(&mut Cursor::new(&section)).unwrap();
        assert_eq!(tagged.get::<i8>(4), Err(Short));
        assert_eq!(tagged.get::<i16>(4), Ok(Some(0x0709)));
        assert_eq!(tagged.get::<i16>(3), Ok(None));
    }
}
