"""The one place that says which servers are used, as processes and as containers.

`docker-compose.test.yml` repeats the images; a test compares them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Download:
    """Maven artifacts (`group:name:type`) that make one server.

    With a `sha512` there is one zip, which is checked against it and unpacked.
    """

    name: str
    version: str
    artifacts: tuple[str, ...]
    megabytes: int
    sha512: str | None = None


# The process is whatever MariaDB the distribution has: Debian 12 has this one.
MARIADB_IMAGE = "mariadb:10.11.19"

ELASTICSEARCH = Download(
    name="elasticsearch",
    version="9.2.0",
    artifacts=("org.elasticsearch.distribution.integ-test-zip:elasticsearch:zip",),
    megabytes=99,
    sha512=(
        "2c624e913bb8712fb1698fc1ab3a241c868228183f089ff3cde17ad7bc7b5a96"
        "63454c2af939c65e075663826371e3d4344dca43a55a8aab9594f9a64b01d2c7"
    ),
)
ELASTICSEARCH_8 = Download(
    name="elasticsearch",
    version="8.19.5",
    artifacts=ELASTICSEARCH.artifacts,
    megabytes=97,
    sha512=(
        "2f5f82f2b75c1a0e66784cdf1a05694c84c1bf6012529c649b8e59a5c88e2404"
        "578834f50770aa4882d6c51c67377f250f47dfc9a0c6f217a429fa8b222a0b0c"
    ),
)
ELASTICSEARCH_IMAGE = f"elasticsearch:{ELASTICSEARCH.version}"

NEO4J = Download(
    name="neo4j",
    version="5.26.12",
    artifacts=("org.neo4j.app:neo4j-server:jar", "org.neo4j:neo4j:jar"),
    megabytes=116,
)
NEO4J_IMAGE = f"neo4j:{NEO4J.version}-community"

KEYCLOAK = Download(
    name="keycloak",
    version="26.4.0",
    artifacts=("org.keycloak:keycloak-quarkus-dist:zip",),
    megabytes=160,
    sha512=(
        "49affb5fcd0f3473b38ac30b2997400079d73dff4b6693645bd501d78554c109"
        "2526ddfcd4fc2f13d1ce334eef4e758baf7351ddabf65aaca85d814fba0969cf"
    ),
)
KEYCLOAK_IMAGE = f"keycloak/keycloak:{KEYCLOAK.version}"

OPENSEARCH = Download(
    name="opensearch",
    version="3.0.0",
    artifacts=("org.opensearch.distribution.integ-test-zip:opensearch:zip",),
    megabytes=61,
    sha512=(
        "f1850a078e11b61b4f7e347b934d83d27029c22e80e22faa766734a27b63cda9"
        "a60f21bb0a3a63d542d62c6518c983fe408fb8bbc8275cabc9a24f3aab5a87c8"
    ),
)
OPENSEARCH_IMAGE = f"opensearchproject/opensearch:{OPENSEARCH.version}"

IMAGES = {
    "mariadb": MARIADB_IMAGE,
    "elasticsearch": ELASTICSEARCH_IMAGE,
    "neo4j": NEO4J_IMAGE,
    "keycloak": KEYCLOAK_IMAGE,
    "opensearch": OPENSEARCH_IMAGE,
}
