"""Who commands run as. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BASH = "/bin/bash"


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who commands run as."""

    username: str = "user"
    uid: int = 1000

    @property
    def home(self) -> str:
        """Give the account's home, by Runloop's rule."""
        return "/root" if (self.username, self.uid) == ("root", 0) else f"/home/{self.username}"

    def environment(self) -> dict[str, str]:
        """Give what a command finds in its environment before anything is added."""
        return {
            "HOME": self.home,
            "USER": self.username,
            "LOGNAME": self.username,
            "SHELL": BASH,
            "PATH": PATH,
            "LANG": "C.UTF-8",
        }

    def addition(self) -> str:
        """Give a script that makes the account in a sandbox which doesn't know it; root runs it."""
        name, home = shlex.quote(self.username), shlex.quote(self.home)
        entry = f"{self.username}:x:{self.uid}:{self.uid}::{self.home}:{BASH}"
        return f"""
grep -q ^{name}: /etc/passwd || {{
  echo {shlex.quote(entry)} >>/etc/passwd
  echo {name}:x:{self.uid}: >>/etc/group
  echo {name}:'*':19000:0:99999:7::: >>/etc/shadow
}}
mkdir -p {home} && chown {self.uid}:{self.uid} {home}
"""


ROOT = Account(username="root", uid=0)
IN_IMAGE = (Account(), ROOT)
"""The accounts that every sandbox has."""
