"""What can go wrong with the local servers.

```
ServersError
├── NotReady        what must be installed first, all of it at once
├── DownloadFailed  Maven could not bring a server's files
├── StateUnusable   the state folder is not ours or cannot be used
├── StartFailed     a server died, or did not answer, while it was started
└── NotRunning      a server is wanted that is not up, or has died
```
"""


class ServersError(Exception):
    """Any failure of the local servers."""


class NotReady(ServersError):
    """Something that the servers need is not installed."""


class DownloadFailed(ServersError):
    """Maven could not bring a server's files, or they are not the right ones."""


class StateUnusable(ServersError):
    """The state folder belongs to something else, or the servers cannot reach it."""


class StartFailed(ServersError):
    """A server died, or did not answer in time, while it was started."""


class NotRunning(ServersError):
    """A server is wanted that is not up, or that has died since."""
