"""No secret is found in any output or file of a run; the same search finds deliberate leaks.

One run of a pipeline in two workers, all libraries at DEBUG, with a central scheduler
and error mails: loads that succeed, fail, are killed and crash, and credentials from every
source that the servers accept or refuse. Each credential is a separate canary, so that a
finding names its source. The logs of the servers themselves are not searched.
"""

import base64
import contextlib
import email
import json
import os
import re
import resource
import secrets
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote

import jwt
import mariadb
import neo4j
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from luigi_sinks import audit, config
from luigi_sinks.elasticsearch import ElasticsearchSettings
from luigi_sinks.mariadb import MariaDBSettings
from luigi_sinks.neo4j import Neo4jSettings
from luigi_sinks.testing.servers import SERVERS
from luigi_sinks.testing.servers import state as states
from luigi_sinks.testing.servers.elasticsearch import _hashed, lines_added
from tests.secret_search import found

PIPELINE = '''
import base64, gc, http.client, logging, os, pickle, resource, secrets, signal, subprocess, sys, tempfile, time
from pathlib import Path
from urllib.parse import quote

import elastic_transport
import luigi
from sqlalchemy import Column, Integer

from luigi_sinks import elasticsearch, mariadb, neo4j

HERE = Path(__file__).parent
NAME = "leaks_DATASET"

http.client.HTTPConnection.debuglevel = 1
elastic_transport.debug_logging()
for library in ("botocore", "boto3", "elasticsearch", "elastic_transport", "neo4j", "hvac", "requests", "urllib3"):
    logging.getLogger(library).setLevel(logging.DEBUG)


class Common(luigi.Task):
    via = luigi.Parameter(default="")
    ending = luigi.Parameter(default="well")
    partition_by = ()
    owner = "flight_ops"

    @property
    def connection(self):
        return self.via

    @property
    def dataset(self):
        return f"{NAME}_{self.via}_{self.ending}"

    def complete(self):
        """Return False for a refused login, so that run() connects to the server first."""
        return False if self.ending == "refused" else super().complete()

    def on_failure(self, error):
        show_all()
        return super().on_failure(error)

    def given(self):
        yield 1
        show_all()
        (HERE / "core_limit").write_text(str(resource.getrlimit(resource.RLIMIT_CORE)[0]))
        if self.ending == "raising":
            raise ValueError("the rows' source broke")
        if self.ending == "killed":
            os.kill(os.getpid(), 9)
        if self.ending == "crashing":
            os.abort()
        time.sleep(0.3)
        yield 2


class InMariaDB(Common, mariadb.CopyToTable):
    columns = [Column("id", Integer, primary_key=True)]

    @property
    def table(self):
        return self.dataset

    def rows(self):
        return ({"id": number} for number in self.given())


class InElasticsearch(Common, elasticsearch.CopyToIndex):
    mapping = {"id": {"type": "integer"}}
    id_field = "id"

    @property
    def index(self):
        return self.dataset

    def docs(self):
        return ({"id": number} for number in self.given())


class InNeo4j(Common, neo4j.CopyToGraph):
    nodes = [neo4j.Node("Thing", key="id", properties={"id": int})]

    @property
    def graph(self):
        return self.dataset

    def rows(self):
        return (("Thing", {"id": number}) for number in self.given())


class Leaking(luigi.Task):
    """Leaks a secret in every place, to prove that the search finds it."""

    def complete(self):
        return False

    def run(self):
        leak = (HERE.parent / "secrets" / "leaked").read_text()
        said = {
            "raw": leak,
            "base64": base64.b64encode(f"user:{leak}".encode()).decode(),
            "URL-encoded": quote(leak, safe=""),
            "hex": leak.encode().hex(),
        }
        for form, text in said.items():
            logging.getLogger("leaking").debug("%s: %s", form, text)
        print(leak)
        (HERE / "pickles" / "leaked").write_bytes(pickle.dumps({"password": leak}))
        (Path(tempfile.mkdtemp()) / "leaked").write_text(leak)
        environ = {**os.environ, "PASSWORD": leak}
        subprocess.run([sys.executable, "-c", "import time; time.sleep(1)"], env=environ)
        subprocess.run([sys.executable, "-c", "import time; time.sleep(1)", leak])
        self.set_status_message(leak)
        raise ValueError(f"cannot log in with {leak}")


def show_all():
    """Pickle and print all live objects of this package and this module during a load."""
    shown = []
    for each in gc.get_objects():
        kind = type(each)
        if str(kind.__module__).split(".")[0] not in {"luigi_sinks", __name__}:
            continue
        shown.append(f"{kind.__module__}.{kind.__qualname__}")
        for way in (pickle.dumps, repr, str, format, vars):
            try:
                shown.append(f"{way.__name__}: {way(each)}")
            except Exception as error:
                shown.append(f"{way.__name__}: {type(error).__name__}: {error}")
    (HERE / "pickles" / f"{os.getpid()}-{secrets.token_hex(4)}").write_text("\\n".join(shown))


class All(luigi.WrapperTask):
    def requires(self):
        for kind in (InMariaDB, InElasticsearch, InNeo4j):
            for ending in ("well", "raising", "killed", "crashing"):
                yield kind(ending=ending)
            for ending in ("well", "refused"):
                yield kind(via="wrong", ending=ending)
        yield InMariaDB(via="leased")
        yield InMariaDB(via="leased", ending="killed")
        yield InMariaDB(via="vault")
        yield InMariaDB(via="rds", ending="refused")
        for via in ("key", "oidc", "projected", "sts", "manager"):
            yield InElasticsearch(via=via, ending="refused")
        for via in ("neptune", "oidc"):
            yield InNeo4j(via=via, ending="refused")
        yield Leaking()
'''

LEASING = """
from pathlib import Path
from uuid import uuid4

from luigi_sinks.credentials import Request, Token, TokenInfo

HERE = Path(__file__).parent


class Leasing:
    def __init__(self, name, use):
        pass

    def scope(self, request):
        return Request()

    def fetch(self, request):
        secret = (HERE.parent / "secrets" / "leased").read_text()
        return Token(secret, TokenInfo(lifetime=600, lease=f"lease-{uuid4()}"))

    def renew(self, token):
        return token

    def revoke(self, lease):
        (HERE / "revoked" / lease).touch()
"""

LOGGING = """
[loggers]
keys = root
[handlers]
keys = screen, file
[formatters]
keys =
[logger_root]
level = DEBUG
handlers = screen, file
[handler_screen]
class = StreamHandler
args = (sys.stderr,)
[handler_file]
class = FileHandler
args = ({path!r},)
"""

CONFIGURATION = """
[core]
autoload_range = false
logging_conf_file = {folder}/run/logging.cfg
default-scheduler-port = {scheduler}
[worker]
wait_interval = 0.1
ping_interval = 0.2
[email]
force_send = true
receiver = operator@localhost
[smtp]
host = 127.0.0.1
port = {smtp}
no_tls = true
[luigi_sinks.audit]
path = {folder}/run/audit
anchor = {folder}/run/anchor
[luigi_sinks.leases]
folder = {folder}/run/leases
[luigi_sinks.credential.client]
source = file
path = {folder}/secrets/client
[luigi_sinks.credential.oidc]
source = oidc
issuer = {issuer}/realm
client_id = loader
client_secret_from = client
[luigi_sinks.credential.projected]
source = oidc
issuer = {issuer}/realm
client_id = loader
token_file = {folder}/secrets/projected
[luigi_sinks.credential.sts]
source = sts_web_identity
region = eu-west-1
audience = elasticsearch
endpoint = {issuer}
[luigi_sinks.credential.role]
source = assume_role
region = eu-west-1
role = arn:aws:iam::123456789012:role/loader
endpoint = {issuer}
[luigi_sinks.credential.rds]
source = rds_iam
region = eu-west-1
through = role
[luigi_sinks.credential.neptune]
source = neptune
region = eu-west-1
through = role
[luigi_sinks.credential.manager]
source = secrets_manager
region = eu-west-1
secret_id = pipelines/es
through = role
endpoint = {issuer}
[luigi_sinks.credential.jwt]
source = file
path = {folder}/secrets/jwt
[luigi_sinks.credential.vault]
source = vault
address = {issuer}
role = loader
path = loader
jwt_from = jwt
[luigi_sinks.credential.leased]
source = leasing
"""

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def a_word():
    return secrets.token_urlsafe(60)


def a_password():
    """Return a password with characters that encodings change, like session tokens of AWS."""
    return f"+/={base64.b64encode(secrets.token_bytes(60)).decode()}/%+="


def a_jwt(issuer="https://issuer.example"):
    claims = {"iss": issuer, "sub": "loader", "aud": "elasticsearch", "exp": int(time.time()) + 600, "iat": 1}
    headers = {"kid": "k1", "nonce": secrets.token_hex(16)}
    return jwt.encode({**claims, "jti": secrets.token_hex(16)}, KEY, algorithm="RS256", headers=headers)


class StandIn(BaseHTTPRequestHandler):
    """Emulates an OpenID Connect issuer, AWS STS, AWS Secrets Manager and Vault; returns canaries."""

    def do_GET(self):
        length = int(self.headers.get("content-length", 0))
        form = {key: values[0] for key, values in parse_qs(self.rfile.read(length).decode()).items()}
        answer = self.answer(self.path, form.get("Action", ""))
        text = answer if isinstance(answer, str) else json.dumps(answer)
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_PUT = do_GET  # noqa: N815 - the server's names

    def answer(self, path, action):
        here, canaries = f"http://127.0.0.1:{self.server.server_port}", self.server.canaries
        endpoints = {"token_endpoint": f"{here}/token", "jwks_uri": f"{here}/keys"}
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
        login = {"client_token": canaries["Vault's login"], "lease_duration": 600}
        user = {"username": self.server.vault_user, "password": canaries["Vault's password"]}
        lease = f"lease-{secrets.token_hex(8)}"
        answers = {
            "/realm/.well-known/openid-configuration": {"issuer": f"{here}/realm", **endpoints},
            "/keys": {"keys": [{**key, "kid": "k1", "use": "sig"}]},
            "/token": {"access_token": canaries["access token"], "token_type": "Bearer", "expires_in": 600},
            "/v1/auth/jwt/login": {"auth": login},
            "/v1/database/creds/loader": {"lease_id": lease, "lease_duration": 600, "data": user},
            "/v1/sys/leases/revoke": {},
            "/v1/auth/token/revoke-self": {},
        }
        if self.headers.get("x-amz-target", "").endswith("GetSecretValue"):
            return {"SecretString": canaries["Secrets Manager's"], "VersionId": "v1"}
        return STS[action].format(**canaries) if action else answers[path]

    def log_message(self, *args):
        """Do not log requests."""


STS = {
    "GetWebIdentityToken": """
<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetWebIdentityTokenResult>
<WebIdentityToken>{web identity}</WebIdentityToken><Expiration>2040-01-01T00:00:00Z</Expiration>
</GetWebIdentityTokenResult></GetWebIdentityTokenResponse>""",
    "AssumeRole": """
<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIAEXAMPLEEXAMPLE</AccessKeyId><SecretAccessKey>{role's key}</SecretAccessKey>
<SessionToken>{role's session}</SessionToken><Expiration>2040-01-01T00:00:00Z</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>""",
}


class Smtp(socketserver.StreamRequestHandler):
    """Accepts mails without authentication."""

    def handle(self):
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            command = line[:4].upper()
            if command == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                self.server.mails.append(b"".join(iter(self.rfile.readline, b".\r\n")))
            self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 well\r\n")


@contextlib.contextmanager
def serving(server, **attributes):
    server.daemon_threads = True
    vars(server).update(attributes)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Administrators:
    """Creates users with canary passwords on the real servers; removes them, and the tables and indices."""

    def __init__(self, name):
        self.name = name
        self.files = contextlib.ExitStack()
        self.mariadb, self.elasticsearch, self.neo4j = (
            config.read_connection(kind, store)
            for kind, store in (
                (MariaDBSettings, "mariadb"),
                (ElasticsearchSettings, "elasticsearch"),
                (Neo4jSettings, "neo4j"),
            )
        )

    def in_mariadb(self, user, password):
        self.ask_mariadb(f"CREATE USER {user}@'%' IDENTIFIED BY '{password}'")
        self.ask_mariadb(f"GRANT ALL PRIVILEGES ON *.* TO {user}@'%'")

    def in_elasticsearch(self, password):
        """Write the user to the files that the server reads every few seconds, and wait until it has read them."""
        lines = {"users": [f"{self.name}:{_hashed(password)}"], "users_roles": [f"superuser:{self.name}"]}
        self.files.enter_context(lines_added(states.find().place(SERVERS["elasticsearch"]), lines))
        for _ in range(100):
            with contextlib.suppress(urllib.error.HTTPError):
                return self.ask_elasticsearch("GET", "_cluster/health", login=(self.name, password))
            time.sleep(0.2)
        raise TimeoutError("Elasticsearch does not read its users again")

    def in_neo4j(self, password):
        self.ask_neo4j(f"CREATE USER {self.name} SET PASSWORD $password CHANGE NOT REQUIRED", password=password)

    def remove(self):
        for user in (self.name, f"{self.name}_leased", f"{self.name}_vault"):
            self.ask_mariadb(f"DROP USER IF EXISTS {user}@'%'")
        for table, kind, schema in self.ask_mariadb(
            "SELECT table_name, table_type, table_schema FROM information_schema.tables "
            f"WHERE table_name LIKE '%{self.name}%'"
        ):
            self.ask_mariadb(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} IF EXISTS `{schema}`.`{table}`")
        for index in self.ask_elasticsearch("GET", f"{self.name}*?expand_wildcards=all&filter_path=*.aliases"):
            self.ask_elasticsearch("DELETE", index)
        self.files.close()
        self.ask_neo4j(f"DROP USER {self.name} IF EXISTS")

    def ask_mariadb(self, query):
        settings = self.mariadb
        with closing(
            mariadb.connect(
                host=settings.host,
                port=settings.port,
                user=settings.user,
                password=password_of(settings),
                ssl_ca=str(settings.tls_ca),
                ssl_verify_cert=True,
                autocommit=True,
            )
        ) as connection:
            cursor = connection.cursor()
            cursor.execute(query)
            return cursor.fetchall() if cursor.description else []

    def ask_elasticsearch(self, method, path, login=None):
        settings = self.elasticsearch
        user, password = login or (settings.user, password_of(settings))
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        request = urllib.request.Request(
            f"{settings.url}/{path}", method=method, headers={"Authorization": f"Basic {basic}"}
        )
        tls = ssl.create_default_context(cafile=settings.tls_ca)
        with urllib.request.urlopen(request, context=tls, timeout=30) as answer:
            return json.load(answer)

    def ask_neo4j(self, query, **parameters):
        settings = self.neo4j
        with neo4j.GraphDatabase.driver(
            f"bolt://{settings.host}:{settings.port}",
            auth=(settings.user, password_of(settings)),
            encrypted=True,
            trusted_certificates=neo4j.TrustCustomCAs(str(settings.tls_ca)),
        ) as driver:
            driver.execute_query(query, parameters, database_="system")


def password_of(settings):
    return Path(config.read_credential(settings.credential)["path"]).read_text().strip()


def section(name, **values):
    return "\n".join([f"[luigi_sinks.{name}]", *(f"{key} = {value}" for key, value in values.items()), ""])


class Run:
    """Everything to search, by place: the folder of the run, and the output of its processes."""

    def __init__(self, folder, canaries, leaked):
        self.folder, self.canaries, self.leaked = folder, canaries, leaked
        self.seen = defaultdict(set)
        self.status = 0

    def watch(self, process, other):
        """Collect the output of the processes of its session and another, and files that may be removed early."""
        while process.poll() is None:
            for pid in (*session(process.pid), other.pid):
                for place in ("environ", "cmdline"):
                    with contextlib.suppress(OSError):
                        self.seen[place].add(Path(f"/proc/{pid}/{place}").read_bytes())
            for place in ("tmp", "run/leases"):
                self.collect(place)
            time.sleep(0.1)

    def collect(self, place):
        for path in (self.folder / place).rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_file():
                    self.seen[place].add(path.read_bytes() + os.fsencode(path.name))

    def text(self, place):
        return b"".join(self.seen[place]).decode()

    def finds(self, secret, place):
        return set().union(*(found(secret, text) for text in self.seen[place]))


def session(leader):
    """Yield the pids of all processes in a session."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if stat.read_text().rpartition(")")[2].split()[3] == str(leader):
                yield stat.parent.name


def ask_scheduler(port, name, **arguments):
    body = f"data={quote(json.dumps(arguments))}".encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/{name}", body, timeout=10) as answer:
        return answer.read()


def all_that_the_scheduler_tells(port):
    listed = ask_scheduler(port, "task_list", status="", upstream_status="")
    yield listed
    for task_id in json.loads(listed)["response"]:
        for question in ("fetch_error", "dep_graph", "get_task_status_message"):
            yield ask_scheduler(port, question, task_id=task_id)
    for question in ("graph", "worker_list", "resource_list"):
        yield ask_scheduler(port, question)


@contextlib.contextmanager
def scheduler(folder, environment, port):
    """Run a central scheduler, and terminate it so that it pickles its state."""
    program = "from luigi.cmdline import luigid; luigid()"
    argv = ["-c", program, "--address", "127.0.0.1", "--port", str(port), "--state-path", str(folder / "state")]
    with (folder / "luigid.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, *argv], env=environment, cwd=folder, stdout=log, stderr=log)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)


def with_core_files():
    """Allow core files of any size in a child process before it starts."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


HAS_CORE_FILES = not re.match("[|/]", Path("/proc/sys/kernel/core_pattern").read_text())
"""If the kernel pipes core files to a program, or stores them elsewhere, they cannot be searched."""

CRASHING = "import os, sys; secret = open(sys.argv[1]).read(); os.abort()"


def crash(folder):
    """Crash a process that holds the leaked canary, and return its core file if there is one."""
    folder.mkdir()
    argv = [sys.executable, "-c", CRASHING, folder.parent / "secrets" / "leaked"]
    subprocess.run(argv, cwd=folder, preexec_fn=with_core_files, stderr=subprocess.DEVNULL, timeout=30)
    return [path.read_bytes() for path in folder.glob("core*")]


def made_up(issuer):
    """Return a canary for each secret, by the name under which findings are reported."""
    return {
        "MariaDB's password": a_word(),
        "Elasticsearch's password": a_jwt(),
        "Neo4j's password": a_password(),
        "leased password": a_word(),
        "API key": base64.b64encode(f"{a_word()[:20]}:{a_word()[:22]}".encode()).decode(),
        "wrong MariaDB password": a_jwt(),
        "wrong Elasticsearch password": a_password(),
        "wrong Neo4j password": a_word(),
        "client's secret": a_password(),
        "projected token": a_jwt(),
        "access token": a_jwt(f"{issuer}/realm"),
        "web identity": a_jwt(),
        "own AWS key": a_word(),
        "role's key": a_word(),
        "role's session": a_password(),
        "Secrets Manager's": a_word(),
        "JWT for Vault": a_jwt(),
        "Vault's login": f"hvs.{a_word()}",
        "Vault's password": a_word(),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("leaks")
    for name in ("secrets", "run/pickles", "run/leases", "run/revoked", "run/cwd", "scheduler", "tmp"):
        (root / name).mkdir(mode=0o700, parents=True)
    entry_points = root / "run" / "leasing-1.dist-info"
    entry_points.mkdir()
    (entry_points / "entry_points.txt").write_text("[luigi_sinks.credential_sources]\nleasing = leasing:Leasing\n")
    (entry_points / "METADATA").write_text("Metadata-Version: 2.1\nName: leasing\nVersion: 1\n")
    (root / "run" / "leasing.py").write_text(LEASING)
    (root / "run" / "logging.cfg").write_text(LOGGING.format(path=str(root / "run" / "all.log")))
    return root


@pytest.fixture(scope="module")
def administrators():
    made = Administrators(f"leaks_{secrets.token_hex(4)}")
    yield made
    made.remove()


def connections(folder, administrators, canaries):
    """Create the users, write the secrets to files, and yield the sections of all connections."""
    name, kept = administrators.name, folder / "secrets"
    administrators.in_mariadb(name, canaries["MariaDB's password"])
    administrators.in_mariadb(f"{name}_leased", canaries["leased password"])
    administrators.in_mariadb(f"{name}_vault", canaries["Vault's password"])
    administrators.in_elasticsearch(canaries["Elasticsearch's password"])
    administrators.in_neo4j(canaries["Neo4j's password"])
    for file, canary in {
        "leased": "leased password",
        "client": "client's secret",
        "projected": "projected token",
        "jwt": "JWT for Vault",
    }.items():
        (kept / file).write_text(canaries[canary])
    (kept / "aws").write_text(
        f"[default]\naws_access_key_id = AKIAEXAMPLEEXAMPLE\naws_secret_access_key = {canaries['own AWS key']}\n"
    )
    for file, canary, holds in [
        *((store, f"{title}'s password", "password") for store, title in TITLES.items()),
        *((f"wrong_{store}", f"wrong {title} password", "password") for store, title in TITLES.items()),
        ("key", "API key", "api_key"),
    ]:
        (kept / file).write_text(canaries[canary])
        yield section(f"credential.{file}", source="file", path=kept / file, holds=holds)
    for store in TITLES:
        known = {key: value for key, value in vars(getattr(administrators, store)).items() if value}
        places = {key: known[key] for key in ("host", "port", "database", "tls_ca") if key in known}
        yield section(store, **places, user=name, credential=store)
        yield section(f"{store}.wrong", **places, user=name, credential=f"wrong_{store}")
        for via in VIAS[store]:
            user = f"{name}_leased" if via == "leased" else name
            yield section(f"{store}.{via}", **places, user=user, credential=via)


TITLES = {"mariadb": "MariaDB", "elasticsearch": "Elasticsearch", "neo4j": "Neo4j"}
VIAS = {
    "mariadb": ["leased", "vault", "rds"],
    "elasticsearch": ["key", "oidc", "projected", "sts", "manager"],
    "neo4j": ["neptune", "oidc"],
}


@pytest.fixture(scope="module")
def run(folder, administrators):
    """Run the pipeline, and collect everything to search."""
    stand_in = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    issuer = f"http://127.0.0.1:{stand_in.server_port}"
    canaries = made_up(issuer)
    leaked = a_password()
    (folder / "secrets" / "leaked").write_text(leaked)
    sections = list(connections(folder, administrators, canaries))
    mail_server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp)
    ports = {"scheduler": free_port(), "smtp": mail_server.server_address[1]}
    (folder / "run" / "luigi.cfg").write_text(
        CONFIGURATION.format(folder=folder, issuer=issuer, **ports) + "".join(sections)
    )
    (folder / "run" / "pipeline.py").write_text(PIPELINE.replace("DATASET", administrators.name))
    audit.begin(folder / "run" / "audit", folder / "run" / "anchor")
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "VAULT_"))},
        "PYTHONPATH": str(folder / "run"),
        "PYTHONFAULTHANDLER": "1",
        "LUIGI_CONFIG_PATH": str(folder / "run" / "luigi.cfg"),
        "TMPDIR": str(folder / "tmp"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "secrets" / "aws"),
        "AWS_CONFIG_FILE": str(folder / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    done = Run(folder, canaries, leaked)
    argv = [sys.executable, "-m", "luigi", "--module", "pipeline", "All", "--workers", "2"]
    with (
        serving(stand_in, canaries=canaries, vault_user=f"{administrators.name}_vault"),
        serving(mail_server, mails=[]),
        scheduler(folder / "scheduler", environment, ports["scheduler"]) as central,
        (folder / "run" / "output").open("wb") as output,
    ):
        process = subprocess.Popen(
            [*argv, "--scheduler-host", "127.0.0.1"],
            env=environment,
            cwd=folder / "run" / "cwd",
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=with_core_files,  # noqa: PLW1509 - the function takes no lock
        )
        killer = threading.Timer(120, os.killpg, (process.pid, signal.SIGKILL))
        killer.start()
        done.watch(process, central)
        killer.cancel()
        done.seen["scheduler"].update(all_that_the_scheduler_tells(ports["scheduler"]))
    for mail in mail_server.mails:
        parts = (part.get_payload(decode=True) for part in email.message_from_bytes(mail).walk())
        done.seen["mails"].update([mail, *filter(None, parts)])
    done.seen["core files"].update(path.read_bytes() for path in (folder / "run" / "cwd").glob("core*"))
    done.seen["core files"].update(crash(folder / "crash"))
    for place in ("run/output", "run/all.log", "run/audit", "run/anchor", "run/core_limit"):
        done.seen[place].add((folder / place).read_bytes())
    for place in ("run/pickles", "scheduler", "run/revoked", "run/leases", "run/cwd", "tmp"):
        done.collect(place)
    return done


def test_no_secret_is_found_anywhere(run):
    finds = [
        f"{name} in {place}: {', '.join(sorted(forms))}"
        for place in run.seen
        for name, canary in run.canaries.items()
        if (forms := run.finds(canary, place))
    ]
    assert finds == []


PLACES = ["run/output", "run/all.log", "run/pickles", "tmp", "environ", "cmdline", "scheduler", "mails"]


@pytest.mark.parametrize("place", PLACES)
def test_a_deliberate_leak_is_found_in_every_place(run, place):
    assert "raw" in run.finds(run.leaked, place)


def test_a_deliberate_leak_is_found_in_every_form(run):
    assert run.finds(run.leaked, "run/all.log") == {"raw", "base64", "URL-encoded", "hex"}


@pytest.mark.skipif(not HAS_CORE_FILES, reason="this kernel hands core files to a program, or keeps them elsewhere")
def test_the_core_file_of_an_unprotected_process_contains_its_secret(run):
    assert "raw" in run.finds(run.leaked, "core files")


def test_a_process_with_a_secret_leaves_no_core_file(run):
    assert run.text("run/core_limit") in {"0", "1"}
    assert list((run.folder / "run" / "cwd").iterdir()) == []


def outcome(task, via, ending, pattern, run):
    """Return whether a line of the output says this about the task."""
    return re.search(rf"{task}_{ending}_{via}_\w+ .*{pattern}", run.text("run/output"))


def test_each_load_ended_as_intended(run):
    done = "has status   DONE"
    assert all(outcome(task, "", "well", done, run) for task in ("InMariaDB", "InElasticsearch", "InNeo4j"))
    assert all(outcome("InMariaDB", via, "well", done, run) for via in ("leased", "vault"))
    for task in ("InMariaDB", "InElasticsearch", "InNeo4j"):
        assert outcome(task, "", "killed", "died unexpectedly with exit code -9", run)
        assert outcome(task, "", "crashing", "died unexpectedly with exit code -6", run)
        assert outcome(task, "", "raising", "has status   FAILED", run)
    refused = [
        line["credential"] for line in audited(run) if (line["action"], line["outcome"]) == ("refusal", "failure")
    ]
    wrong = {f"wrong_{store}" for store in TITLES}
    assert wrong | {"key", "oidc", "projected", "sts", "manager", "rds", "neptune"} <= set(refused)


def audited(run):
    return [json.loads(line) for line in run.text("run/audit").splitlines()]


def test_every_library_logged_at_debug(run):
    said = run.text("run/output")
    assert "C: LOGON" in said, "neo4j"
    assert "< HTTP/1.1 200" in said, "elastic_transport"
    assert '"POST /token HTTP/1.1" 200' in said, "urllib3"
    assert "Calling endpoint provider with parameters" in said, "botocore"


def test_the_live_objects_of_every_load_were_pickled_and_printed(run):
    shown = b"\n".join(run.seen["run/pickles"]).decode("latin-1")
    kinds = set(re.findall(r"^(\S+)\ndumps: b", shown, re.MULTILINE))
    assert {f"pipeline.In{store}" for store in TITLES.values()} <= kinds
    for store, title in TITLES.items():
        own = {kind.rpartition(".")[2] for kind in kinds if kind.startswith(f"luigi_sinks.{store}.")}
        assert {f"{title}Target", f"{title}Sink", f"{title}Stage", f"{title}Settings"} <= own
    assert "luigi_sinks.credentials.token.Token\ndumps: TypeError" in shown


def test_the_journal_was_searched_and_each_lease_was_revoked(run):
    leases = {
        line["token"] for line in audited(run) if line.get("credential") == "leased" and line["action"] == "exchange"
    }
    assert leases
    assert {path.name for path in (run.folder / "run" / "revoked").iterdir()} == leases
    assert any(lease.encode() in text for text in run.seen["run/leases"] for lease in leases)
