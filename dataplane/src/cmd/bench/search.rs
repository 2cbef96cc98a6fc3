//! The search for the highest rate without loss (RFC 2544, section 26.1), for anything that a trial can be made of.
//!
//! In: bounds, and a function that offers a rate for a while and says what came of it. Out: the highest rate that a trial
//! passed, with what that trial said. It halves the interval between the highest rate that passed and the lowest that did
//! not, so the number of trials is known beforehand, whatever the device does.

/// What is searched, and how finely.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Highest rate to try, packets a second.
    pub highest: f64,
    /// The search ends when the interval is no wider than this share of `highest`.
    pub resolution: f64,
    /// Share of a trial's packets that may be lost.
    pub tolerance: f64,
    /// Times that the rate found has to pass once more. One that does not is taken for too high; rates below it are tried,
    /// each farther down than the one before.
    pub repeats: u32,
}

/// What came of a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    pub offered: u64,
    pub lost: u64,
}

impl Loss {
    fn within(self, tolerance: f64) -> bool {
        // A trial that offered nothing says nothing.
        self.offered > 0 && self.lost as f64 <= self.offered as f64 * tolerance
    }
}

/// The end of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<T> {
    /// The highest rate that passed, and what its last trial said; `None`: not even the lowest rate tried did.
    pub best: Option<(f64, T)>,
    /// The lowest rate that did not pass; `None`: the highest did.
    pub failed: Option<f64>,
    pub trials: u32,
}

/// Most trials of a search with these bounds.
pub fn most_trials(b: &Bounds) -> u32 {
    let halvings = (1.0 / share(b.resolution)).log2().ceil() as u32 + 1;
    let (first, confirmed) = (1 + halvings, b.repeats);
    first + confirmed + (1 + halvings) * (1 + b.repeats)
}

/// A resolution that can be reached.
fn share(resolution: f64) -> f64 {
    if resolution > 0.0 { resolution.clamp(1e-6, 1.0) } else { 1e-6 }
}

/// Searches. `trial(rate)` offers a rate; its errors end the search.
pub fn search<T, E>(b: &Bounds, mut trial: impl FnMut(f64) -> Result<(Loss, T), E>) -> Result<Found<T>, E> {
    let step = b.highest * share(b.resolution);
    let mut found = Found { best: None, failed: None, trials: 0 };
    // Whether a rate passes; the rates that do and do not are noted.
    let mut passes = |rate: f64, found: &mut Found<T>| -> Result<bool, E> {
        found.trials += 1;
        let (loss, told) = trial(rate)?;
        let good = loss.within(b.tolerance);
        if good {
            found.best = Some((rate, told));
        } else {
            found.failed = Some(found.failed.map_or(rate, |f| f.min(rate)));
        }
        Ok(good)
    };
    let (mut low, mut high) = (0.0, b.highest);
    if passes(high, &mut found)? {
        low = high;
    }
    while high - low > step {
        let middle = low + (high - low) / 2.0;
        if passes(middle, &mut found)? {
            low = middle;
        } else {
            high = middle;
        }
    }
    let mut down = step;
    'candidates: while let Some(&(mut rate, _)) = found.best.as_ref() {
        for _ in 0..b.repeats {
            if passes(rate, &mut found)? {
                continue;
            }
            found.best = None;
            // A step down, twice as far each time: a device that passes now and then cannot keep us.
            while found.best.is_none() {
                rate -= down;
                down *= 2.0;
                if rate < step {
                    break 'candidates;
                }
                passes(rate, &mut found)?;
            }
            continue 'candidates;
        }
        break;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// A trial at a device that loses what goes beyond `limit`.
    fn device(limit: f64) -> impl FnMut(f64) -> Result<(Loss, f64), Infallible> {
        move |rate| {
            let offered = (rate * 10.0) as u64 + 1;
            let lost = ((rate - limit).max(0.0) * 10.0).ceil() as u64;
            Ok((Loss { offered, lost }, rate))
        }
    }

    fn bounds(highest: f64, resolution: f64) -> Bounds {
        Bounds { highest, resolution, tolerance: 0.0, repeats: 1 }
    }

    #[test]
    fn a_device_that_keeps_up_is_told_in_two_trials() {
        let f = search(&bounds(1e6, 0.01), device(2e6)).unwrap();
        assert_eq!((f.best, f.failed, f.trials), (Some((1e6, 1e6)), None, 2));
    }

    #[test]
    fn a_device_that_passes_nothing_has_no_rate() {
        let f =
            search(&bounds(1e6, 0.01), |_| Ok::<_, Infallible>((Loss { offered: 10, lost: 1 }, ()))).unwrap();
        assert_eq!(f.best, None);
        assert!(f.failed.unwrap() <= 1e4 && f.trials <= 9, "{f:?}");
        // Nor has one that is offered nothing.
        let f = search(&bounds(1e6, 0.01), |_| Ok::<_, Infallible>((Loss::default(), ()))).unwrap();
        assert_eq!(f.best, None);
    }

    #[test]
    fn a_rate_that_passes_once_only_is_not_told() {
        let mut seen = Vec::new();
        let f = search(&bounds(1000.0, 0.1), |rate| {
            let lost = u64::from(rate > 500.0 || seen.contains(&rate) && rate > 400.0);
            seen.push(rate);
            Ok::<_, Infallible>((Loss { offered: 100, lost }, ()))
        })
        .unwrap();
        let (rate, ()) = f.best.unwrap();
        assert!((200.0..=400.0).contains(&rate), "{rate}");
    }

    #[test]
    fn tolerance_and_errors() {
        let b = Bounds { tolerance: 0.5, ..bounds(1e6, 0.001) };
        let (rate, _) = search(&b, device(2e5)).unwrap().best.unwrap();
        assert!((rate - 4e5).abs() < 2e3, "half of 400,000 are lost: {rate}");
        assert_eq!(search(&b, |_| Err::<(Loss, ()), _>("gone")), Err("gone"));
    }

    proptest! {
        #[test]
        fn the_threshold_is_found(
            highest in 1e3f64..1e8,
            part in 0.0f64..1.5,
            resolution in 0.001f64..0.2,
            repeats in 0u32..4,
        ) {
            let b = Bounds { repeats, ..bounds(highest, resolution) };
            let limit = highest * part;
            let f = search(&b, device(limit)).unwrap();
            prop_assert!(f.trials <= most_trials(&b));
            match f.best {
                Some((rate, told)) => {
                    prop_assert_eq!(rate, told);
                    prop_assert!(rate <= limit && rate <= highest);
                    prop_assert!(limit.min(highest) - rate <= highest * resolution * 1.0001);
                    prop_assert!(f.failed.is_none_or(|x| x > limit));
                }
                None => prop_assert!(limit <= highest * resolution * 1.0001),
            }
        }

        /// Whatever a device does, the search ends in time, and only tells what passed as often as was asked.
        #[test]
        fn noise_ends(
            answers in proptest::collection::vec(any::<bool>(), 1..40),
            resolution in prop_oneof![Just(0.0), Just(f64::NAN), 0.0001f64..1.0],
            repeats in 0u32..4,
        ) {
            let b = Bounds { repeats, ..bounds(1e6, resolution) };
            let (mut n, mut log) = (0, Vec::new());
            let f = search(&b, |rate| {
                let good = answers[n % answers.len()];
                n += 1;
                log.push((rate, good));
                Ok::<_, Infallible>((Loss { offered: 1000, lost: u64::from(!good) }, ()))
            }).unwrap();
            prop_assert_eq!(n as u32, f.trials);
            prop_assert!(f.trials <= most_trials(&b));
            prop_assert!(log.iter().all(|(r, _)| *r > 0.0 && *r <= 1e6));
            if let Some((rate, ())) = f.best {
                let of: Vec<bool> = log.iter().filter(|x| x.0 == rate).map(|x| x.1).collect();
                prop_assert_eq!(of, vec![true; 1 + repeats as usize]);
            }
        }
    }
}
