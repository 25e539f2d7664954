//! A guest over a real `ssh` and a real `sshd`.

mod adopt;
mod copy;
mod login;
mod run;
mod sshd;
mod transfer;
mod verify;
