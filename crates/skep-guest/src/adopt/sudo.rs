//! Whether the user who logs in can do what root can.

use tokio_util::sync::CancellationToken;

use super::AdoptError;
use crate::{Command, Guest};

/// Says whether the login is root's, or may become root's without being asked anything.
const ASK: &str = r#"
if [ "$(id -u)" -eq 0 ]; then echo root
elif ! command -v sudo >/dev/null 2>&1; then echo missing
elif said=$(sudo -n true 2>&1); then echo sudo
else echo "password $said"
fi
"#;

/// Makes sure that commands can be run as root.
///
/// # Errors
/// [`AdoptError::NoSudo`], [`AdoptError::SudoPassword`]; as [`Guest::run`].
pub(super) async fn check(guest: &Guest, cancel: &CancellationToken) -> Result<(), AdoptError> {
    let ask = Command::script("asking for root's rights", ASK);
    let answer = guest.run(&ask, cancel).await?.text();
    understand(&answer, guest.machine(), &guest.access().user)
}

fn understand(answer: &str, machine: &str, user: &str) -> Result<(), AdoptError> {
    let (machine, user) = (machine.to_owned(), user.to_owned());
    match answer.split_once(' ').unwrap_or((answer, "")) {
        ("root" | "sudo", _) => Ok(()),
        ("missing", _) => Err(AdoptError::NoSudo { machine, user }),
        (_, said) => {
            let plain =
                said.contains("password is required") || said.contains("password is needed");
            let said = said.trim().lines().next().unwrap_or_default();
            let reason = if plain { String::new() } else { said.to_owned() };
            Err(AdoptError::SudoPassword { machine, user, reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_from_being_root_is_told_with_its_fix() {
        let ask = |answer| understand(answer, "box", "ann");
        assert!(ask("root").is_ok() && ask("sudo").is_ok());
        insta::assert_snapshot!(ask("missing").unwrap_err(), @"ann on box is not root, and there is no sudo: log in as root (--ssh-user root), or install sudo");
        insta::assert_snapshot!(ask("password sudo: a password is required").unwrap_err(), @"sudo asks ann on box for a password: log in as root (--ssh-user root), or let ann do without one, with the line `ann ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d/ann");
        insta::assert_snapshot!(ask("password sudo: ann is not in the sudoers file").unwrap_err(), @"sudo asks ann on box for a password: log in as root (--ssh-user root), or let ann do without one, with the line `ann ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d/ann (it says: sudo: ann is not in the sudoers file)");
    }
}
