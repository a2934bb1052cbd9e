//! How much is drawn, and from what seed.

use std::time::Duration;

/// A fault on a real system costs a hundred times what a value does that is drawn for a property.
const COST: usize = 100;

/// How many samples to take where `usual` are taken in `cargo xtask test`. `cargo xtask soak` asks for more by `PBX_SAMPLES`.
pub fn samples(usual: usize) -> usize {
    let asked = std::env::var("PBX_SAMPLES").ok().and_then(|text| text.parse::<usize>().ok());
    asked.map_or(usual, |asked| usual.max(asked / COST))
}

/// Numbers that look random, the same for the same seed (splitmix64).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// From the seed in `PBX_SEED`, or one of the system's. It is printed: a test that failed shows it, and can be run again with it.
    #[expect(clippy::print_stdout, reason = "the harness shows what a test that failed has printed")]
    pub fn seeded() -> Self {
        let given = std::env::var("PBX_SEED").ok().and_then(|text| text.parse().ok());
        // What is random about the keys of a map is the system's.
        let drawn = || std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
        let seed = given.unwrap_or_else(drawn);
        println!("PBX_SEED={seed}");
        Self(seed)
    }

    /// The next number.
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of the first so many numbers, from 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.draw() % end.max(1) as u64).unwrap_or_default()
    }

    /// A time up to `most`.
    pub fn within(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.draw() % u64::try_from(most.as_micros()).unwrap_or(u64::MAX).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn a_seed_always_gives_the_same_numbers() {
        let mut random = Random(1_234_567);
        assert_eq!([random.draw(), random.draw()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        assert!((0..1000).all(|_| random.below(3) < 3));
    }
}
