//! Pure: the codecs that there are, and Kafka's names and numbers of them.

/// How the records of a batch are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // The names are the codecs'.
pub enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    /// Kafka's name of this codec.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// The number that stands for this codec in a batch's attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The codec with this number; the three bits of the attributes leave 5 to 7 unused.
    pub fn from_id(id: u8) -> Option<Codec> {
        [
            Codec::None,
            Codec::Gzip,
            Codec::Snappy,
            Codec::Lz4,
            Codec::Zstd,
        ]
        .get(usize::from(id))
        .copied()
    }
}
