//! Pure: how a test plants one of the bugs that a room lists as its `Mutant`s, to see that the tests
//! find it; in test builds only.

/// Makes `plant` and `is_planted` for the `Mutant` of the file that it stands in.
macro_rules! planting {
    () => {
        thread_local! {
            static PLANTED: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
        }

        /// Plants a bug on this thread, or takes it out.
        pub fn plant(mutant: Option<Mutant>) {
            PLANTED.set(mutant);
        }

        /// Whether this bug is planted.
        pub fn is_planted(mutant: Mutant) -> bool {
            PLANTED.get() == Some(mutant)
        }
    };
}

pub(crate) use planting;
