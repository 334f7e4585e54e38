//! Inputs from inputs, without knowledge of what they reach.

/// A small generator (SplitMix64): a run is repeated by its seed.
pub struct Random(u64);

impl Random {
    /// The same seed, the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which must not be zero.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.number() as u8
    }
}

/// A new input from one of `corpus`, which must not be empty.
pub fn mutate(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(6) {
        step(&mut input, corpus, random);
    }
    input.truncate(MAX_LENGTH);
    input
}

fn step(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let end = (at + random.below(8)).min(input.len());
    match random.below(8) {
        0 => drop(input.drain(at..end)),
        1 => input.truncate(at),
        2 => input.insert(at, random.byte()),
        3 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        4 => {
            // One part many times: depth, length, floods.
            let part = input[at..end].to_vec();
            let times = 1 << random.below(10);
            insert(input, at, &part.repeat(times));
        }
        5 => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        _ => insert(input, at, WORDS[random.below(WORDS.len())]),
    }
}

fn insert(input: &mut Vec<u8>, at: usize, part: &[u8]) {
    input.splice(at..at, part.iter().copied());
}

/// Enough for every border in the codecs, little enough to be fast.
const MAX_LENGTH: usize = 8192;

/// What the grammars are made of.
const WORDS: &[&[u8]] = &[
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b"\"",
    b"\\",
    b"\\u0061",
    b"\\ud800",
    b"\\n",
    b"null",
    b"true",
    b"NaN",
    b"-",
    b"0",
    b"1e400",
    b"0.5",
    b"9007199254740992",
    b"99999999999999999999",
    b" ",
    b"\x1e",
    b"\xff",
    b"\0",
    b"b",
    b"b4",
    b"=",
    b"/",
    b"/admin,",
    b"?a=b",
    b"2probe",
    b"3probe",
    b"4",
    b"5",
    b"40",
    b"41",
    b"42[\"x\"]",
    b"451-[\"x\"]",
    b"d=",
    b"%",
    b"%5Cn",
    b"{\"_placeholder\":true,\"num\":0}",
    b"\"_placeholder\":true",
    b"\"num\":1",
    b"\xc2\xbc",
    b"\xe2\x82\xac",
    b"\xf0\x9f\x98\x80",
    b"\xed\xa0\x80",
    b"\xe2\x80\xa8",
    b"\xef\xbb\xbf",
];
