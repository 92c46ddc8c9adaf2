//! The parameters of a control sequence.

/// Parameters that count; further ones are ignored.
const MOST: usize = 32;

/// A control sequence taken apart (ECMA-48, 5.4).
#[derive(Debug)]
pub(super) struct Sequence {
    /// One of `<=>?` in front, or 0.
    pub(super) private: u8,
    /// The intermediate byte, or 0.
    pub(super) intermediate: u8,
    /// The final byte, which names the function.
    pub(super) function: u8,
    /// Its parameters; each a number with its colon-separated parts.
    pub(super) params: Vec<Vec<u16>>,
}

impl Sequence {
    /// Takes a sequence apart, given without its introducer. `None` when it is malformed.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (&function, mut bytes) = bytes.split_last()?;
        let private = match bytes.first() {
            Some(&first @ b'<'..=b'?') => {
                bytes = &bytes[1..];
                first
            }
            _ => 0,
        };
        let mut intermediate = 0;
        if let Some((&last @ 0x20..0x30, front)) = bytes.split_last() {
            intermediate = last;
            bytes = front;
        }
        let well_formed = bytes
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':'));
        well_formed.then(|| Self {
            private,
            intermediate,
            function,
            params: bytes
                .split(|&byte| byte == b';')
                .take(MOST)
                .map(|param| {
                    param
                        .split(|&byte| byte == b':')
                        .take(MOST)
                        .map(number)
                        .collect()
                })
                .collect(),
        })
    }

    /// A parameter, or 0 when it is missing.
    pub(super) fn get(&self, index: usize) -> u16 {
        self.params
            .get(index)
            .and_then(|parts| parts.first())
            .copied()
            .unwrap_or(0)
    }

    /// A parameter that counts something: 1 when it is missing or 0.
    pub(super) fn count(&self, index: usize) -> usize {
        usize::from(self.get(index).max(1))
    }
}

fn number(digits: &[u8]) -> u16 {
    digits.iter().fold(0u16, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u16::from(digit - b'0'))
    })
}
