//! Iterates over the fields of a protobuf message, borrowed from its bytes.

/// Number and content of a field.
pub(crate) enum Field<'a> {
    Number(u32, u64),
    Bytes(u32, &'a [u8]),
}

/// Fields of one message, in their order. At bytes that it cannot read, the iterator ends and is `broken`.
pub(crate) struct Fields<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) broken: bool,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Fields<'a> {
        Fields { bytes, broken: false }
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for at in 0..9 {
            let byte = *self.bytes.get(at)?;
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.bytes = &self.bytes[at + 1..];
                return Some(value);
            }
        }
        None
    }

    fn field(&mut self) -> Option<Field<'a>> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok()?;
        match key & 7 {
            0 => Some(Field::Number(number, self.varint()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.bytes.split_at_checked(length)?;
                self.bytes = rest;
                Some(Field::Bytes(number, bytes))
            }
            _ => None,
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.bytes.is_empty() || self.broken {
            return None;
        }
        let field = self.field();
        self.broken = field.is_none();
        field
    }
}

pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

pub(crate) fn flag(value: u64) -> bool {
    value != 0
}

/// The message without one of its fields; `None` if the bytes cannot be read.
pub(crate) fn without(bytes: &[u8], number: u32) -> Option<Vec<u8>> {
    let mut rest = Vec::with_capacity(bytes.len());
    let mut fields = Fields::of(bytes);
    loop {
        let before = fields.bytes;
        let found = match fields.next() {
            None => return (!fields.broken).then_some(rest),
            Some(Field::Number(found, _) | Field::Bytes(found, _)) => found,
        };
        if found != number {
            rest.extend_from_slice(&before[..before.len() - fields.bytes.len()]);
        }
    }
}
