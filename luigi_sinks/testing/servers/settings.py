"""How to reach the servers, for any program and for luigi.cfg; secrets only by their files."""

from collections.abc import Mapping

from luigi_sinks.testing.servers.server import HOST, Place, Server

Places = Mapping[Server, Place]


def as_environment(places: Places) -> dict[str, str]:
    """Name variables such as `LUIGI_SINKS_MARIADB_PORT`."""
    return {
        f"LUIGI_SINKS_{server.name}_{name}".upper(): value
        for server, place in places.items()
        for name, value in _variables(server, place).items()
    }


def as_configuration(places: Places) -> str:
    """Write a luigi.cfg with a connection and a credential for each server."""
    sections = (
        section
        for server, place in places.items()
        for section in (
            _section(server.name, _connection(server, place)),
            _section(f"credential.{_credential(server)}", _source(place)),
        )
    )
    return "\n".join(sections)


def _variables(server: Server, place: Place) -> dict[str, str]:
    return {
        "host": HOST,
        "port": str(place.port),
        **_database(server),
        "user": server.user,
        "password_file": str(place.password_file),
        "ca": str(place.ca),
    }


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
