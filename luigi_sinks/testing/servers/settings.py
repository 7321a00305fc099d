"""How to reach the servers, for any program and for luigi.cfg; secrets only by their files."""

from collections.abc import Mapping
from itertools import chain

from luigi_sinks.testing.servers.server import HOST, Place, Server

Places = Mapping[Server, Place]


def as_environment(places: Places) -> dict[str, str]:
    """Name variables such as `LUIGI_SINKS_MARIADB_PORT`."""
    ours = {
        f"LUIGI_SINKS_{server.name}_{name}".upper(): value
        for server, place in places.items()
        for name, value in _variables(server, place).items()
    }
    others = (server.variables(place).items() for server, place in places.items())
    return ours | dict(chain.from_iterable(others))


def as_configuration(places: Places) -> str:
    """Write a luigi.cfg with a connection and a credential for each store."""
    return "\n".join(
        _sections(server, _connection(server, place), _source(place))
        for server, place in places.items()
        if server.login
    )


def as_passwordless_configuration(places: Places) -> str:
    """Write a luigi.cfg by which no store that can do without a password is given one."""
    return "\n".join(
        _sections(server, {**_connection(server, place), **login.connection}, login.credential)
        for server, place in places.items()
        if server.login and (login := server.login(place))
    )


def _variables(server: Server, place: Place) -> dict[str, str]:
    return {
        "host": HOST,
        "port": str(place.port),
        **_database(server),
        "user": server.user,
        "password_file": str(place.password_file),
        "ca": str(place.ca),
    }


def _sections(server: Server, connection: Mapping[str, str], credential: Mapping[str, str]) -> str:
    return "\n".join([_section(server.name, connection), _section(f"credential.{_credential(server)}", credential)])


def _connection(server: Server, place: Place) -> dict[str, str]:
    return {
        "host": HOST,
        "port": str(place.port),
        **_database(server),
        "user": server.user,
        "tls_ca": str(place.ca),
        "credential": _credential(server),
    }


def _source(place: Place) -> dict[str, str]:
    return {"source": "file", "path": str(place.password_file)}


def _credential(server: Server) -> str:
    return f"local_{server.name}"


def _database(server: Server) -> dict[str, str]:
    return {"database": server.database} if server.database else {}


def _section(name: str, values: Mapping[str, str]) -> str:
    lines = (f"{key} = {value}\n" for key, value in values.items())
    return "".join([f"[luigi_sinks.{name}]\n", *lines])
