//! Values of Thrift's compact protocol, to take a Parquet file apart and put it together again.

/// A value and what it is called in the encoding.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Byte(u8),
    /// A number of the given kind: 4, 5 or 6 for 16, 32 and 64 bits.
    Number(u8, i64),
    Double([u8; 8]),
    Binary(Vec<u8>),
    /// Elements of a kind.
    List(u8, Vec<Value>),
    Struct(Vec<(i16, Value)>),
}

pub(crate) struct Reader<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> u8 {
        self.at += 1;
        self.bytes[self.at - 1]
    }

    fn varint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }

    fn zigzag(&mut self) -> i64 {
        let value = self.varint();
        (value >> 1) as i64 ^ -((value & 1) as i64)
    }

    pub(crate) fn value(&mut self, kind: u8) -> Value {
        match kind {
            1 | 2 => Value::Bool(kind == 1),
            3 => Value::Byte(self.byte()),
            4..=6 => Value::Number(kind, self.zigzag()),
            7 => {
                self.at += 8;
                Value::Double(self.bytes[self.at - 8..self.at].try_into().unwrap())
            }
            8 => {
                let length = self.varint() as usize;
                self.at += length;
                Value::Binary(self.bytes[self.at - length..self.at].to_vec())
            }
            9 | 10 => {
                let head = self.byte();
                let length = if head >> 4 == 15 { self.varint() } else { u64::from(head >> 4) };
                let element = |reader: &mut Self| match head & 15 {
                    1 | 2 => Value::Bool(reader.byte() == 1),
                    kind => reader.value(kind),
                };
                Value::List(head & 15, (0..length).map(|_| element(self)).collect())
            }
            12 => {
                let (mut fields, mut last) = (Vec::new(), 0);
                loop {
                    let head = self.byte();
                    if head & 15 == 0 {
                        return Value::Struct(fields);
                    }
                    last = if head >> 4 == 0 { self.zigzag() as i16 } else { last + i16::from(head >> 4) };
                    fields.push((last, self.value(head & 15)));
                }
            }
            other => panic!("no such kind: {other}"),
        }
    }
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >> 7 != 0 {
        bytes.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn zigzag(bytes: &mut Vec<u8>, value: i64) {
    varint(bytes, (value as u64) << 1 ^ (value >> 63) as u64);
}

impl Value {
    fn kind(&self) -> u8 {
        match self {
            Self::Bool(value) => 2 - u8::from(*value),
            Self::Byte(_) => 3,
            Self::Number(kind, _) => *kind,
            Self::Double(_) => 7,
            Self::Binary(_) => 8,
            Self::List(..) => 9,
            Self::Struct(_) => 12,
        }
    }

    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Bool(_) => {}
            Self::Byte(byte) => bytes.push(*byte),
            Self::Number(_, number) => zigzag(bytes, *number),
            Self::Double(double) => bytes.extend(double),
            Self::Binary(binary) => {
                varint(bytes, binary.len() as u64);
                bytes.extend(binary);
            }
            Self::List(kind, elements) => {
                if elements.len() < 15 {
                    bytes.push((elements.len() as u8) << 4 | kind);
                } else {
                    bytes.push(0xf0 | kind);
                    varint(bytes, elements.len() as u64);
                }
                for element in elements {
                    match element {
                        Self::Bool(value) => bytes.push(2 - u8::from(*value)),
                        other => other.write(bytes),
                    }
                }
            }
            Self::Struct(fields) => {
                let mut last = 0;
                for (id, value) in fields {
                    let distance = id - last;
                    if (1..=15).contains(&distance) {
                        bytes.push((distance as u8) << 4 | value.kind());
                    } else {
                        bytes.push(value.kind());
                        zigzag(bytes, i64::from(*id));
                    }
                    value.write(bytes);
                    last = *id;
                }
                bytes.push(0);
            }
        }
    }

    pub(crate) fn field(&self, id: i16) -> Option<&Value> {
        let Self::Struct(fields) = self else { return None };
        fields.iter().find(|(other, _)| *other == id).map(|(_, value)| value)
    }

    pub(crate) fn field_mut(&mut self, id: i16) -> Option<&mut Value> {
        let Self::Struct(fields) = self else { return None };
        fields.iter_mut().find(|(other, _)| *other == id).map(|(_, value)| value)
    }

    pub(crate) fn number(&self, id: i16) -> Option<i64> {
        match self.field(id) {
            Some(Self::Number(_, number)) => Some(*number),
            _ => None,
        }
    }

    /// Changes a number that is there.
    pub(crate) fn set(&mut self, id: i16, to: i64) {
        if let Some(Self::Number(_, number)) = self.field_mut(id) {
            *number = to;
        }
    }

    pub(crate) fn remove(&mut self, id: i16) {
        if let Self::Struct(fields) = self {
            fields.retain(|(other, _)| *other != id);
        }
    }

    pub(crate) fn elements(&self) -> &[Value] {
        match self {
            Self::List(_, elements) => elements,
            _ => &[],
        }
    }

    pub(crate) fn elements_mut(&mut self) -> &mut [Value] {
        match self {
            Self::List(_, elements) => elements,
            _ => &mut [],
        }
    }

    /// All numbers, booleans and names inside, in their order.
    pub(crate) fn leaves(&mut self) -> Vec<&mut Value> {
        match self {
            Self::List(_, elements) => elements.iter_mut().flat_map(Self::leaves).collect(),
            Self::Struct(fields) => fields.iter_mut().flat_map(|(_, value)| value.leaves()).collect(),
            leaf => vec![leaf],
        }
    }
}
