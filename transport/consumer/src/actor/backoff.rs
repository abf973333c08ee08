//! How long to wait before the next try: doubling, with jitter, so that a thousand clients do not come back at once.

use std::time::Duration;

use rand::Rng;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
pub(super) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Backoff {
    /// The next pause: between half and the whole of the present step, but never less than asked for.
    pub(super) fn next<R: Rng>(&mut self, at_least: Option<Duration>, rng: &mut R) -> Duration {
        let pause = self.0.mul_f64(rng.random_range(0.5..=1.0));
        self.0 = (self.0 * 2).min(LONGEST);
        pause.max(at_least.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn doubles_within_bounds() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let mut backoff = Backoff::default();
        for step_ms in [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000] {
            let pause = backoff.next(None, &mut rng);
            assert!(
                pause >= Duration::from_millis(step_ms / 2) && pause <= Duration::from_millis(step_ms),
                "{pause:?} at {step_ms}"
            );
        }
        assert_eq!(backoff.next(Some(Duration::from_secs(90)), &mut rng), Duration::from_secs(90));
    }
}
