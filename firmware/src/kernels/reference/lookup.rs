//! Any function of one variable.

use super::entry;

/// `y = table[x]`, with the entry for −128 first.
pub fn lookup(table: &[i8], values: &mut [i8]) {
    // `Model::parse` admits no shorter table.
    let Some(table) = table.first_chunk::<256>() else { return };
    for value in values {
        *value = table[entry(*value)];
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_vectors() {
        let table: [i8; 256] = core::array::from_fn(|i| if i < 128 { -1 } else { (i - 128) as i8 / 2 });
        let mut values = [-128, -1, 0, 1, 127];
        lookup(&table, &mut values);
        assert_eq!(values, [-1, -1, 0, 0, 63]);
    }

    proptest! {
        #[test]
        fn equals_its_twin(table in values(256), input in values(50)) {
            let mut output = input.clone();
            lookup(&table, &mut output);
            for (&y, &x) in output.iter().zip(&input) {
                prop_assert_eq!(y, table[(i32::from(x) + 128) as usize]);
            }
        }
    }
}
