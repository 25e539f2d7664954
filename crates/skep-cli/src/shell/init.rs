//! What a shell's start-up file takes over from `skep shell-init SHELL`.

use super::{Shell, quote::quote};

/// The text that defines `dminit NAME`, which does what evaluating `skep env NODE` does, and
/// loads the completions of `skep` where the shell can have them.
///
/// `program` is how skep is started: `skep`, or a path.
pub fn shell_init(shell: Shell, program: &str) -> String {
    let skep = quote(shell, program);
    match shell {
        Shell::Sh => posix(&skep, shell),
        Shell::Bash => format!("{}eval \"$({skep} completions bash)\"\n", posix(&skep, shell)),
        Shell::Zsh => format!(
            "{}(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}\n\
             eval \"$({skep} completions zsh)\"\n",
            posix(&skep, shell)
        ),
        Shell::Fish => format!(
            "function dminit --description 'Lead docker to a machine of skep'\n    \
                 set -l script ({skep} env --shell fish $argv)\n    \
                 and eval (string join \\n -- $script)\n\
             end\n\
             {skep} completions fish | source\n"
        ),
        // Quotes do not nest inside backquotes; an alias in between keeps them apart. Semicolons,
        // for `eval` makes one line of all.
        Shell::Tcsh => format!(
            "set skep_program = {skep};\n\
             alias skep_env '$skep_program:q env --shell tcsh';\n\
             alias dminit 'eval \"`skep_env \\!*`\"';\n"
        ),
        Shell::PowerShell => format!(
            "function dminit {{\n    \
                 $script = & {skep} env --shell powershell @args\n    \
                 if ($LASTEXITCODE -eq 0) {{ $script | Invoke-Expression }}\n\
             }}\n\
             & {skep} completions powershell | Out-String | Invoke-Expression\n"
        ),
        Shell::Cmd => format!(
            "@DOSKEY dminit=@FOR /f \"tokens=*\" %i IN ('{skep} env --shell cmd $*') DO @%i\n"
        ),
        Shell::Nu => format!(
            "def --env --wrapped dminit [...args] {{\n    \
                 load-env (^{skep} env --shell nu ...$args | from nuon)\n\
             }}\n"
        ),
        Shell::Emacs => format!(
            "(defun dminit (name)\n  \
               \"Lead docker to the machine NAME of skep.\"\n  \
               (interactive \"sMachine: \")\n  \
               (with-temp-buffer\n    \
                 (call-process {skep} nil t nil \"env\" \"--shell\" \"emacs\" name)\n    \
                 (eval-buffer)))\n"
        ),
    }
}

/// The script is taken first and evaluated only if skep had one, so that its failure is seen.
fn posix(skep: &str, shell: Shell) -> String {
    format!(
        "dminit() {{\n    \
             skep_script=$({skep} env --shell {shell} \"$@\") && eval \"$skep_script\"\n\
         }}\n"
    )
}
