//! The order names are listed in: `worker2` before `worker10`.
//!
//! It is the docker CLI's (github.com/fvbommel/sortorder), so that both list alike.

use std::cmp::Ordering;

/// Natural order: digits compare as the number they write, all else byte by byte, a digit before
/// anything else; of two numbers alike the one with fewer leading zeros comes first.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (number_a, rest_a) = split_number(a);
        let (number_b, rest_b) = split_number(b);
        let order = match (number_a, number_b) {
            ([], []) => match (a.split_first(), b.split_first()) {
                (Some((x, rest_a)), Some((y, rest_b))) if x == y => {
                    (a, b) = (rest_a, rest_b);
                    continue;
                }
                _ => return a.first().cmp(&b.first()),
            },
            ([], _) => return if a.is_empty() { Ordering::Less } else { Ordering::Greater },
            (_, []) => return if b.is_empty() { Ordering::Greater } else { Ordering::Less },
            (x, y) => compare_numbers(x, y),
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

fn split_number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let (x, y) = (without_zeros(a), without_zeros(b));
    x.len().cmp(&y.len()).then_with(|| x.cmp(y)).then_with(|| a.len().cmp(&b.len()))
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&digit| digit == b'0').count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_in_natural_order() {
        let mut names = ["b", "a10", "a2", "a", "a02", "a2b", "a010", "", "9", "10", "a-1", "ab1"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(
            names,
            ["", "9", "10", "a", "a2", "a2b", "a02", "a10", "a010", "a-1", "ab1", "b"]
        );
    }

    proptest! {
        #[test]
        fn natural_order_is_an_order(a in "[ab0-2]{0,6}", b in "[ab0-2]{0,6}", c in "[ab0-2]{0,6}") {
            prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            prop_assert_eq!(natural(&a, &b).is_eq(), a == b);
            if natural(&a, &b).is_le() && natural(&b, &c).is_le() {
                prop_assert!(natural(&a, &c).is_le());
            }
        }

        #[test]
        fn numbers_are_compared_as_numbers(a in 0u64.., b in 0u64..) {
            prop_assert_eq!(natural(&format!("n{a}x"), &format!("n{b}x")), a.cmp(&b));
        }
    }
}
