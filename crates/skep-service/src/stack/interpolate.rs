//! Variables in a Compose file: `$NAME`, `${NAME}`, and with a default or a demand, as docker's
//! `cli/compose/template` reads them; `$$` is a dollar sign.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    fault::Fault,
    yaml::{Content, Node},
};

/// Replaces the variables in the values below `node`, never those in keys. A variable that is not
/// set is empty, and its name is put into `unset`.
pub(super) fn interpolate(
    node: &mut Node,
    path: &str,
    environment: &BTreeMap<String, String>,
    unset: &mut BTreeSet<String>,
    faults: &mut Vec<Fault>,
) {
    match &mut node.content {
        Content::Scalar { text, plain } if text.contains('$') => {
            match substitute(text, environment, unset) {
                // What came from a variable is a value, even if it is empty.
                Ok(new) => (*text, *plain) = (new.clone(), *plain && !new.is_empty()),
                Err(problem) => faults.push(Fault::at(&node.place, problem).of(path).with_fix(
                    "write ${NAME}, ${NAME:-default} or ${NAME:?why}; `$$` is a dollar sign",
                )),
            }
        }
        Content::Scalar { .. } => {}
        Content::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                interpolate(item, &format!("{path}[{index}]"), environment, unset, faults);
            }
        }
        Content::Map(entries) => {
            for entry in entries {
                let path = format!("{path}.{}", entry.key);
                interpolate(&mut entry.value, &path, environment, unset, faults);
            }
        }
    }
}

fn substitute(
    text: &str,
    environment: &BTreeMap<String, String>,
    unset: &mut BTreeSet<String>,
) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let (inner, after) =
                after.split_once('}').ok_or_else(|| format!("`${{` is not closed in `{text}`"))?;
            out.push_str(&braced(inner, environment, unset)?);
            rest = after;
        } else {
            let length = name_length(after);
            if length == 0 {
                return Err(format!("`$` is followed by no name in `{text}`"));
            }
            let (name, after) = after.split_at(length);
            out.push_str(&value_of(name, environment, unset));
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn name_length(text: &str) -> usize {
    let name = |(index, byte): &(usize, u8)| {
        byte.is_ascii_alphabetic() || *byte == b'_' || (*index > 0 && byte.is_ascii_digit())
    };
    text.bytes().enumerate().take_while(name).count()
}

fn value_of(
    name: &str,
    environment: &BTreeMap<String, String>,
    unset: &mut BTreeSet<String>,
) -> String {
    environment.get(name).cloned().unwrap_or_else(|| {
        unset.insert(name.to_owned());
        String::new()
    })
}

/// What stands between `${` and `}`.
fn braced(
    inner: &str,
    environment: &BTreeMap<String, String>,
    unset: &mut BTreeSet<String>,
) -> Result<String, String> {
    let (name, rest) = inner.split_at(name_length(inner));
    if name.is_empty() {
        return Err(format!("`${{{inner}}}` has no name"));
    }
    let set = environment.get(name);
    let filled = set.filter(|value| !value.is_empty());
    let missing = |why: &str| match why {
        "" => format!("the variable {name} is not set"),
        why => format!("the variable {name} is not set: {why}"),
    };
    if rest.is_empty() {
        Ok(value_of(name, environment, unset))
    } else if let Some(default) = rest.strip_prefix(":-") {
        Ok(filled.map_or(default, String::as_str).to_owned())
    } else if let Some(default) = rest.strip_prefix('-') {
        Ok(set.map_or(default, String::as_str).to_owned())
    } else if let Some(why) = rest.strip_prefix(":?") {
        filled.cloned().ok_or_else(|| missing(why))
    } else if let Some(why) = rest.strip_prefix('?') {
        set.cloned().ok_or_else(|| missing(why))
    } else {
        Err(format!("`${{{inner}}}` is not understood"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(text: &str) -> Result<String, String> {
        let environment = [("A", "one"), ("EMPTY", "")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        substitute(text, &environment.into(), &mut BTreeSet::new())
    }

    #[test]
    fn every_form_is_dockers() {
        for (text, expected) in [
            ("$A-$A/${A}", "one-one/one"),
            ("$$A", "$A"),
            ("${NO:-x}${EMPTY:-y}${A:-z}", "xyone"),
            ("${NO-x}${EMPTY-y}", "x"),
            ("${A:?why}${EMPTY?why}", "one"),
            ("[$NO]", "[]"),
            ("ünï", "ünï"),
        ] {
            assert_eq!(with(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_says_so() {
        for (text, expected) in [
            ("${A", "`${` is not closed in `${A`"),
            ("100$", "`$` is followed by no name in `100$`"),
            ("${}", "`${}` has no name"),
            ("${A/b}", "`${A/b}` is not understood"),
            ("${NO:?the port}", "the variable NO is not set: the port"),
            ("${EMPTY:?}", "the variable EMPTY is not set"),
        ] {
            assert_eq!(with(text).unwrap_err(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_has_no_dollar_sign_stays(text in "[^$]{0,40}") {
            prop_assert_eq!(with(&text).unwrap(), text);
        }

        #[test]
        fn doubled_dollar_signs_come_back(text in "\\PC{0,40}") {
            prop_assert_eq!(with(&text.replace('$', "$$")).unwrap(), text);
        }
    }
}
